// The page in headless Chromium: what it draws and says, and that nothing goes wrong in it.
#include <sys/wait.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <cstdio>

#include "engine/analysis/page.h"
#include "engine/analysis/report.h"
#include "tests/analysis/run_folders.h"
#include "tests/skip.h"

namespace flsim {
namespace {

/// Standard output of a shell command; "" if it fails.
std::string OutputOf(const std::string& command) {
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return "";
  std::string output;
  char block[4096];
  for (size_t n; (n = std::fread(block, 1, sizeof block, pipe)) > 0;) output.append(block, n);
  return pclose(pipe) == 0 ? output : "";
}

bool HasBrowser() { return !OutputOf("command -v chromium").empty(); }

/// Notes everything that goes wrong; it stands before the page's own scripts.
const char* const kWatch = R"(<script>
const problems = [];
addEventListener('error', (event) => problems.push(String(event.message)));
addEventListener('securitypolicyviolation', (event) => problems.push(event.violatedDirective));
console.error = console.warn = (...what) => problems.push(what.join(' '));
</script>
)";

/// Waits until everything is drawn, does `steps` and writes down what there is to see.
std::string Probe(const std::string& steps) {
  return R"(<script>
addEventListener('load', () => setTimeout(() => {
  const inked = (canvas) => {
    const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
    let n = 0;
    for (let i = 3; i < pixels.length; i += 4) n += pixels[i] > 0;
    return n;
  };
  const seen = {};
  const chartOf = (section) => Chart.getChart(document.querySelector(`#${section} .chart canvas`));
  )" + steps +
         R"(
  const visible = [...document.querySelectorAll('canvas')].filter((c) => c.offsetParent);
  const list = document.createElement('pre');
  list.id = 'probe';
  list.textContent = JSON.stringify({problems, seen,
    canvases: visible.length,
    empty: visible.filter((canvas) => inked(canvas) < 500).length,
    sections: [...document.querySelectorAll('section')].map((section) => section.id),
    wide: document.documentElement.scrollWidth - document.documentElement.clientWidth});
  document.body.append(list);
}, 500));
</script>
)";
}

/// Opens the page of these data in a window of this width and does `steps`.
Json Open(const Json& data, int width, const std::string& steps) {
  const TempFolder folder;
  std::string page = Page(data);
  page.insert(page.find("<style>"), kWatch);
  page.insert(page.rfind("</body>"), Probe(steps));
  WriteFileAtomically(folder / "page.html", page);
  const std::string dom = OutputOf(
      "HOME=" + folder.path().string() +
      " timeout 120 chromium --headless --no-sandbox --disable-gpu --disable-dev-shm-usage "
      "--virtual-time-budget=5000 --user-data-dir=" +
      (folder / "profile") + " --window-size=" + std::to_string(width) + ",900 --dump-dom file://" +
      (folder / "page.html") + " 2>/dev/null");
  const std::string open = "<pre id=\"probe\">";
  const size_t begin = dom.find(open);
  REQUIRE(begin != std::string::npos);
  std::string text = dom.substr(begin + open.size());
  text.resize(text.find("</pre>"));
  for (const auto& [entity, character] :
       {std::pair{"&lt;", "<"}, {"&gt;", ">"}, {"&nbsp;", " "}, {"&amp;", "&"}}) {
    for (size_t at = 0; (at = text.find(entity, at)) != std::string::npos; ++at)
      text.replace(at, std::string(entity).size(), character);
  }
  return Json::parse(text);
}

Json FullReport(const TempFolder& folder) {
  ThreeRuns(folder);
  for (const char* run : {"a", "b", "c"}) {
    const std::string path = folder / run;
    WriteFileAtomically(path + "/clients.csv",
                        "round,client,seconds,loss,accuracy\n1,1,0.5,,\n2,0,,1,0.5\n2,1,,2,0.25\n");
    WriteFileAtomically(path + "/partition.csv",
                        "client,examples,x,<i>y\n0,5,5,0\n1,5,0,5\n2,9,1,8\n");
    std::string rounds = ReadFile(path + "/rounds.jsonl");
    for (size_t at = 0; (at = rounds.find("}\n", at)) != std::string::npos; at += 2)
      rounds.insert(at, R"(,"client_accuracy":{"clients":2,"mean":0.375,"std":0.1,"p5":0.2,)"
                        R"("p25":0.3,"p50":0.375,"p75":0.4,"p95":0.5,"worst_tenth":0.25})"),
          at = rounds.find("}\n", at);
    WriteFileAtomically(path + "/rounds.jsonl", rounds);
  }
  return ReportData(ReadRuns({folder / "?"}), "test_accuracy", false);
}

TEST_CASE("in a browser the report draws every chart, shows its values and reports no error") {
  if (!HasBrowser()) return Skip("chromium is not installed (tools/setup --test)");
  const TempFolder folder;
  const Json data = FullReport(folder);
  for (const int width : {1400, 500}) {
    const Json probe = Open(data, width, R"(
      const chart = chartOf('curves');
      seen.means = chart.data.datasets.filter((d) => d.label).map((d) => d.data.map((p) => p.y));
      const line = chart.data.datasets.findIndex((d) => d.label);
      chart.tooltip.setActiveElements([{datasetIndex: line, index: 2}], {x: 0, y: 0});
      seen.tip = [...chart.tooltip.title, ...chart.tooltip.body[0].lines];
      seen.results = [...document.querySelectorAll('#results tr')].map((row) => row.innerText);
      seen.distribution = chartOf('clients').data.datasets[0].data;
      seen.cost = document.querySelector('#cost tr').innerText;
      const map = document.querySelector('#partition .map canvas');
      const box = map.getBoundingClientRect();
      map.dispatchEvent(new MouseEvent('mousemove',
          {clientX: box.left + 0.95 * box.width, clientY: box.bottom - 60}));
      seen.mapTip = document.querySelector('#partition .tip').textContent;
      seen.labels = report.partitions[0].labels;)");
    INFO(probe.dump(2));
    CHECK(probe.at("problems").empty());
    CHECK(probe.at("canvases") == 12);
    CHECK(probe.at("empty") == 0);
    CHECK(probe.at("wide") <= 0);  // nothing sticks out of the window
    CHECK(probe.at("sections") == Json({"results", "curves", "clients", "participation",
                                        "partition", "cost", "config", "machine"}));
    const Json& seen = probe.at("seen");
    CHECK(seen.at("means") == Json({{0.1, 0.4, 0.45}, {0.1, 0.2, 0.6}}));
    CHECK(seen.at("tip") ==
          Json({"round 2", "strategy=fedavg: 0.45 (0.4 to 0.5, sd 0.071, 2 runs)"}));
    CHECK(seen.at("results")[1] ==
          "strategy=fedavg\t2\tcompleted\t0.450 ± 0.071\t0.5000 ± 0\t2\t2");
    CHECK(seen.at("distribution") == Json({{{"x", 0.25}, {"y", 0}},
                                           {{"x", 0.25}, {"y", 0.25}},
                                           {{"x", 0.25}, {"y", 0.5}},
                                           {{"x", 0.5}, {"y", 0.75}},
                                           {{"x", 0.5}, {"y", 1}}}));
    CHECK(seen.at("cost") ==
          "\ttraining\tevaluation\tbytes up\tbytes down\tmemory\tclient, median\tclient, p95\t"
          "slowest client");
    CHECK(seen.at("mapTip") == "client 2\n9 examples\n<i>y: 8 (88.89 %)");
    CHECK(seen.at("labels")[1] == "<i>y");
  }
}

TEST_CASE("controls change what is drawn") {
  if (!HasBrowser()) return Skip("chromium is not installed (tools/setup --test)");
  const TempFolder folder;
  const Json probe = Open(FullReport(folder), 1000, R"(
    const use = (label, change) => {
      const control = [...document.querySelectorAll('label')].find((each) =>
          each.textContent.startsWith(label) || each.textContent.endsWith(label));
      const input = control.querySelector('select, input');
      change(input);
      input.dispatchEvent(new Event(input.type === 'range' ? 'input' : 'change'));
    };
    const xs = () => chartOf('curves').data.datasets.find((d) => d.label).data.map((p) => p.x);
    const ys = () => chartOf('curves').data.datasets.find((d) => d.label).data.map((p) => p.y);
    const type = (axis) => chartOf('curves').options.scales[axis].type;
    use('by', (select) => select.value = 'bytes');
    seen.bytes = xs();
    use('log x', (box) => box.checked = true);
    seen.logX = [type('x'), xs()];
    use('smoothing', (range) => range.value = 0.5);
    seen.smoothed = ys();
    use('strategy=fedavg', (box) => box.checked = false);
    seen.shown = chartOf('curves').data.datasets.filter((d) => d.label).map((d) => d.label);
    use('metric', (select) => select.value = 'train_loss');
    seen.metric = chartOf('curves').options.scales.y.title.text;
    dispatchEvent(new Event('beforeprint'));
    seen.print = getComputedStyle(document.body).backgroundColor;
    dispatchEvent(new Event('afterprint'));)");
  INFO(probe.dump(2));
  CHECK(probe.at("problems").empty());
  CHECK(probe.at("empty") == 0);
  const Json& seen = probe.at("seen");
  CHECK(seen.at("bytes") == Json({0, 40, 80}));
  CHECK(seen.at("logX") == Json({"logarithmic", {40, 80}}));  // 0 has no logarithm
  REQUIRE(seen.at("smoothed").size() == 2);
  // 0.1, 0.4 and 0.45 with weights 1/4, 1/2 and 1 over their sum: the last is 0.725 / 1.75.
  CHECK(seen.at("smoothed")[1].get<double>() == Approx(0.675 / 1.75));
  CHECK(seen.at("shown") == Json({"strategy=fedprox"}));
  CHECK(seen.at("metric") == "train loss");
  CHECK(seen.at("print") == "rgb(255, 255, 255)");
}

TEST_CASE("in a browser the page of a partition draws its heat map") {
  if (!HasBrowser()) return Skip("chromium is not installed (tools/setup --test)");
  PartitionTable table;
  for (int label = 0; label < 10; ++label) table.labels.push_back("label " + std::to_string(label));
  for (int64_t k = 0; k < 1000; ++k) {
    table.examples.push_back(10 + k % 7);
    for (int64_t label = 0; label < 10; ++label)
      table.counts.push_back(label == k % 10 ? 10 + k % 7 : 0);
  }
  const Json config = {{"name", "mine"}, {"seed", 1}, {"partition", {{"name", "iid"}}}};
  const Json probe = Open(PartitionData(config, table, MeasureTable(table)), 1000, R"(
    seen.measures = document.querySelector('#partition table').innerText;)");
  INFO(probe.dump(2));
  CHECK(probe.at("problems").empty());
  CHECK(probe.at("canvases") == 1);
  CHECK(probe.at("empty") == 0);
  CHECK(probe.at("sections") == Json({"partition", "config"}));
  CHECK(probe.at("seen").at("measures").get<std::string>().find("1,000") != std::string::npos);
}

}  // namespace
}  // namespace flsim
