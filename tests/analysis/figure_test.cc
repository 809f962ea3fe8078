#include "engine/analysis/figure.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "engine/analysis/page.h"
#include "tests/analysis/run_folders.h"

namespace flsim {
namespace {

/// Every element is closed in its turn, as XML has it; attributes are not looked at.
bool IsWellFormed(const std::string& xml) {
  std::vector<std::string> open;
  for (size_t at = 0; (at = xml.find('<', at)) != std::string::npos;) {
    const size_t end = xml.find('>', at);
    if (end == std::string::npos) return false;
    const std::string tag = xml.substr(at + 1, end - at - 1);
    const std::string name = tag.substr(0, tag.find_first_of(" /", 1));
    if (tag.front() == '/') {
      if (open.empty() || "/" + open.back() != name) return false;
      open.pop_back();
    } else if (tag.back() != '/') {
      open.push_back(name);
    }
    at = end;
  }
  return open.empty();
}

size_t Count(const std::string& text, const std::string& part) {
  size_t n = 0;
  for (size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += part.size()) ++n;
  return n;
}

TEST_CASE("a figure has a line for each group, a band where there are several runs, and a legend") {
  const TempFolder folder;
  const std::string svg = SvgFigure(ThreeRuns(folder), "test_accuracy");
  CHECK(IsWellFormed(svg));
  CHECK(Count(svg, "fill-opacity=\"0.18\"") == 1);
  CHECK(Count(svg, "stroke-linejoin=\"round\"") == 4);  // two lines, two swatches
  CHECK(svg.find(">strategy=fedavg</text>") != std::string::npos);
  CHECK(svg.find(">strategy=fedprox</text>") != std::string::npos);
  CHECK(svg.find(">test accuracy</text>") != std::string::npos);
  CHECK(SvgFigure(ThreeRuns(folder), "test_accuracy") == svg);
}

TEST_CASE("a figure's points lie where its axes put them") {
  const TempFolder folder;
  // Values from 0 to 1 with a margin of 0.05 on a plot 210 high that begins at 10, and rounds
  // 0 to 2 from 52 to 340.
  WriteRun(folder, "a", {"fedavg", 1, {0, 1, 0.5}});
  const std::string svg = SvgFigure(ReadRuns({folder / "a"}), "test_accuracy");
  CHECK(svg.find("<path d=\"M52,210.45L196,19.55L340,115\" fill=\"none\" stroke=\"#0072b2\"") !=
        std::string::npos);
  CHECK(svg.find(">0.6</text>") != std::string::npos);
  CHECK(svg.find("<desc>One run each.</desc>") != std::string::npos);
}

TEST_CASE("values as close as numbers can be have a figure like equal ones") {
  const TempFolder folder;
  const double value = 19909.123;
  WriteRun(folder, "a", {"fedavg", 1, {value, std::nextafter(value, 2e4), value}});
  const std::string svg = SvgFigure(ReadRuns({folder / "a"}), "test_accuracy");
  CHECK(IsWellFormed(svg));
  CHECK(Count(svg, "#dddddd") < 20);
}

TEST_CASE("a loss that spans decades has a logarithmic axis, an accuracy never") {
  RecordedRun run;
  run.rounds = {{{"round", 0}, {"train_loss", 1000}, {"test_accuracy", 0.01}},
                {{"round", 1}, {"train_loss", 1}, {"test_accuracy", 1}}};
  const std::string loss = SvgFigure({run}, "train_loss");
  for (const char* tick : {">1</text>", ">10</text>", ">100</text>", ">1000</text>"})
    CHECK(loss.find(tick) != std::string::npos);
  // The logarithms are 3 and 0, their margin 0.15: 210 * 0.15 / 3.3 = 9.55 from the plot's ends.
  CHECK(loss.find("<path d=\"M52,19.55L340,210.45\" fill=\"none\"") != std::string::npos);
  CHECK(SvgFigure({run}, "test_accuracy").find(">0.2</text>") != std::string::npos);
}

TEST_CASE("a line is paler where not all of a group's runs have got to") {
  const TempFolder folder;
  WriteRun(folder, "a", {"fedavg", 1, {0, 1, 0.5, 1}});
  WriteRun(folder, "b", {"fedavg", 2, {0, 1}});
  // Their configs differ in nothing but the seed.
  WriteFileAtomically(folder / "b/config.json", [&] {
    Json config = Json::parse(ReadFile(folder / "a/config.json"));
    config["seed"] = 2;
    return config.dump();
  }());
  const std::string svg = SvgFigure(ReadRuns({folder / "?"}), "test_accuracy");
  CHECK(Count(svg, "stroke-opacity=\"0.4\"") == 1);
  CHECK(Count(svg, "stroke-linejoin=\"round\"") == 2);
}

TEST_CASE("labels of a figure are text, whatever is in them") {
  const TempFolder folder;
  WriteRun(folder, "a", {"<b>&\"", 1, {0.1, 0.2}});
  WriteRun(folder, "b", {"fedavg", 1, {0.1, 0.2}});
  const std::string svg = SvgFigure(ReadRuns({folder / "?"}), "test_accuracy");
  CHECK(IsWellFormed(svg));
  CHECK(svg.find(">strategy=&lt;b&gt;&amp;&quot;</text>") != std::string::npos);
}

TEST_CASE("a label that is wider than the figure is broken after its commas") {
  const TempFolder folder;
  const std::string first(40, 'x'), second(30, 'y');
  WriteRun(folder, "a", {first + ", " + second, 1, {0.1, 0.2}});
  WriteRun(folder, "b", {"fedavg", 1, {0.1, 0.2}});
  const std::string svg = SvgFigure(ReadRuns({folder / "?"}), "test_accuracy");
  CHECK(svg.find(">strategy=" + first + ",</text>") != std::string::npos);
  CHECK(svg.find(">" + second + "</text>") != std::string::npos);
  CHECK(svg.find(">strategy=fedavg</text>") != std::string::npos);
}

TEST_CASE("runs of one round, of one value and of none make figures, too") {
  const TempFolder folder;
  WriteRun(folder, "a", {"fedavg", 1, {0.5}});
  WriteRun(folder, "b", {"fedprox", 1, {0.5, 0.5, 0.5}});
  WriteRun(folder, "c", {"krum", 1, {}});
  for (const char* name : {"a", "b", "c", "?"}) {
    const std::string svg = SvgFigure(ReadRuns({folder / name}), "test_accuracy");
    INFO(name);
    CHECK(IsWellFormed(svg));
    CHECK(svg.find("nan") == std::string::npos);
    CHECK(svg.find("inf") == std::string::npos);
  }
}

TEST_CASE("ticks are 1, 2 or 5 times a power of ten") {
  using Values = std::vector<double>;
  CHECK(Ticks(0, 20, 7) == Values{0, 5, 10, 15, 20});
  CHECK(Ticks(-0.5, 0.5, 2) == Values{-0.5, 0, 0.5});
  CHECK(Ticks(900, 2100, 6) == Values{1000, 1200, 1400, 1600, 1800, 2000});
}

}  // namespace
}  // namespace flsim
