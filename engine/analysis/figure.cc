#include "engine/analysis/figure.h"

#include <algorithm>
#include <cmath>

#include "engine/analysis/curves.h"
#include "engine/analysis/labels.h"
#include "engine/analysis/page.h"
#include "engine/core/error.h"
#include "engine/core/text.h"

namespace flsim {
namespace {

// In points. A column of most journals is 240 to 250 of them wide; text stays readable there.
constexpr double kWidth = 360, kPlotHeight = 210;
constexpr double kLeft = 52, kRight = 20, kTop = 10, kBottom = 36;
constexpr double kFont = 10, kLegendLine = 15, kSwatch = 24;
constexpr double kLegendLeft = 10, kLegendWidth = kWidth - 2 * kLegendLeft;
constexpr size_t kMostPoints = 1000;

// Okabe and Ito's palette without its yellow, as on the page.
constexpr const char* kColours[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                    "#e69f00", "#56b4e9", "#000000"};
constexpr const char* kDashes[] = {"", "7 4", "2 3", "10 3 2 3"};

const char* Colour(size_t series) { return kColours[series % std::size(kColours)]; }
const char* Dash(size_t series) {
  return kDashes[series / std::size(kColours) % std::size(kDashes)];
}

/// With two decimals at most, without the zeros behind them.
std::string Coordinate(double value) {
  std::string shown = Format("%.2f", value);
  shown.erase(shown.find_last_not_of('0') + 1);
  if (shown.back() == '.') shown.pop_back();
  return shown == "-0" ? "0" : shown;
}

std::string TickText(double value) { return Format("%.6g", value); }

/// About how wide a text is.
double TextWidth(const std::string& text) {
  return 0.55 * kFont * static_cast<double>(text.size());
}

/// The text in lines of about this width, broken after commas only.
std::vector<std::string> Wrapped(const std::string& text, double width) {
  std::vector<std::string> lines = {""};
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find(", ", begin), text.size() - 1) + 1;
    const std::string part = text.substr(begin, end - begin);
    if (!lines.back().empty() && TextWidth(lines.back() + part) > width) {
      lines.push_back(part);
    } else {
      lines.back() += (lines.back().empty() ? "" : " ") + part;
    }
    begin = end + 1;
  }
  return lines;
}

/// The values' axis.
struct Axis {
  double low = 0, high = 1;  ///< where it is logarithmic: their logarithms to base 10
  bool logarithmic = false;

  double Share(double value) const {
    return ((logarithmic ? std::log10(value) : value) - low) / (high - low);
  }
};

/// From the lowest to the highest of all bands, with a margin.
Axis AxisOf(const std::vector<GroupCurve>& curves, const std::string& metric) {
  std::vector<double> ends;
  for (const GroupCurve& curve : curves) {
    ends.insert(ends.end(), curve.min.begin(), curve.min.end());
    ends.insert(ends.end(), curve.max.begin(), curve.max.end());
  }
  Axis axis;
  if (!ends.empty()) {
    axis.low = *std::min_element(ends.begin(), ends.end());
    axis.high = *std::max_element(ends.begin(), ends.end());
  }
  if (axis.low > 0 && axis.high > 50 * axis.low && !HigherIsBetter(metric))
    axis = {std::log10(axis.low), std::log10(axis.high), true};
  double margin = 0.05 * (axis.high - axis.low);
  const double size = std::max(std::abs(axis.low), std::abs(axis.high));
  if (margin <= 1e-9 * size) margin = std::max(0.05 * size, 1e-12);
  axis.low -= margin;
  axis.high += margin;
  return axis;
}

/// Where an axis has ticks: a logarithmic one at powers of ten and, if it is short, between them.
std::vector<double> AxisTicks(const Axis& axis) {
  if (!axis.logarithmic) return Ticks(axis.low, axis.high, 6);
  std::vector<double> ticks;
  const bool is_short = axis.high - axis.low < 2.5;
  for (double power = std::floor(axis.low); power <= axis.high; ++power) {
    for (const double factor : {1.0, 2.0, 5.0}) {
      const double at = power + std::log10(factor);
      if ((is_short || factor == 1) && at >= axis.low && at <= axis.high)
        ticks.push_back(factor * std::pow(10, power));
    }
  }
  return ticks;
}

class Figure {
 public:
  Figure(const std::vector<RunGroup>& groups, const std::string& metric)
      : groups_(groups), labels_(ShortLabels(groups)), metric_(metric) {
    for (const RunGroup& group : groups) {
      curves_.push_back(CurveOf(group, metric, kMostPoints));
      if (!curves_.back().rounds.empty())
        last_round_ = std::max(last_round_, curves_.back().rounds.back());
      has_bands_ = has_bands_ || group.runs.size() > 1;
    }
    values_ = AxisOf(curves_, metric);
  }

  std::string Svg() {
    PlaceLegend();
    const double height = kTop + kPlotHeight + kBottom + legend_height_;
    const std::string w = Coordinate(kWidth), h = Coordinate(height);
    out_ = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" + w + "pt\" height=\"" + h +
           "pt\" viewBox=\"0 0 " + w + " " + h +
           "\" font-family=\"Helvetica, Arial, sans-serif\" " + "font-size=\"" + Coordinate(kFont) +
           "\">\n";
    out_ += "<title>" + EscapedText(MetricLabel(metric_)) + " by round</title>\n<desc>" +
            (has_bands_ ? "Lines are means over runs that differ in their seeds alone, bands go "
                          "from the lowest to the highest of them."
                        : "One run each.") +
            "</desc>\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n";
    Axes();
    for (size_t i = 0; i < groups_.size(); ++i) Band(i);
    for (size_t i = 0; i < groups_.size(); ++i) Line(i);
    Legend();
    return out_ + "</svg>\n";
  }

 private:
  double X(double round) const {
    const double span = static_cast<double>(std::max<int64_t>(1, last_round_));
    return kLeft + round / span * (kWidth - kLeft - kRight);
  }
  double Y(double value) const { return kTop + (1 - values_.Share(value)) * kPlotHeight; }
  std::string Point(int64_t round, double value) const {
    return Coordinate(X(static_cast<double>(round))) + "," + Coordinate(Y(value));
  }

  void Text(double x, double y, const std::string& anchor, const std::string& text,
            const std::string& more = "") {
    out_ += "<text x=\"" + Coordinate(x) + "\" y=\"" + Coordinate(y) + "\" text-anchor=\"" +
            anchor + "\"" + more + ">" + EscapedText(text) + "</text>\n";
  }
  void Segment(double x1, double y1, double x2, double y2, const std::string& style) {
    out_ += "<line x1=\"" + Coordinate(x1) + "\" y1=\"" + Coordinate(y1) + "\" x2=\"" +
            Coordinate(x2) + "\" y2=\"" + Coordinate(y2) + "\" " + style + "/>\n";
  }

  void Axes() {
    const double bottom = kTop + kPlotHeight, right = kWidth - kRight;
    for (const double tick : AxisTicks(values_)) {
      Segment(kLeft, Y(tick), right, Y(tick), "stroke=\"#dddddd\" stroke-width=\"0.5\"");
      Text(kLeft - 5, Y(tick) + 0.35 * kFont, "end", TickText(tick));
    }
    const auto last = static_cast<double>(std::max<int64_t>(1, last_round_));
    for (const double tick : Ticks(0, last, 7)) {
      if (tick != std::floor(tick)) continue;
      Segment(X(tick), bottom, X(tick), bottom + 4, "stroke=\"#000000\" stroke-width=\"0.75\"");
      Text(X(tick), bottom + 15, "middle", TickText(tick));
    }
    out_ += "<path d=\"M" + Coordinate(kLeft) + "," + Coordinate(kTop) + "V" + Coordinate(bottom) +
            "H" + Coordinate(right) +
            "\" fill=\"none\" stroke=\"#000000\" stroke-width=\"0.75\"/>\n";
    Text((kLeft + right) / 2, bottom + 30, "middle", "round");
    const double middle = kTop + kPlotHeight / 2;
    Text(12, middle, "middle", MetricLabel(metric_),
         " transform=\"rotate(-90 12 " + Coordinate(middle) + ")\"");
  }

  void Band(size_t series) {
    const GroupCurve& curve = curves_[series];
    if (groups_[series].runs.size() < 2 || curve.rounds.size() < 2) return;
    std::string path;
    for (size_t i = 0; i < curve.rounds.size(); ++i)
      path += (i == 0 ? "M" : "L") + Point(curve.rounds[i], curve.min[i]);
    for (size_t i = curve.rounds.size(); i-- > 0;)
      path += "L" + Point(curve.rounds[i], curve.max[i]);
    out_ += "<path d=\"" + path + "Z\" fill=\"" + Colour(series) + "\" fill-opacity=\"0.18\"/>\n";
  }

  /// One path as far as all runs of the group have got, others paler.
  void Line(size_t series) {
    const GroupCurve& curve = curves_[series];
    if (curve.rounds.size() == 1) {
      out_ += "<circle cx=\"" + Coordinate(X(static_cast<double>(curve.rounds[0]))) + "\" cy=\"" +
              Coordinate(Y(curve.mean[0])) + "\" r=\"2\" fill=\"" + Colour(series) + "\"/>\n";
    }
    const auto whole = [&](size_t i) {
      return curve.runs[i] == static_cast<int>(groups_[series].runs.size());
    };
    for (size_t begin = 0; begin + 1 < curve.rounds.size();) {
      const bool pale = !whole(begin + 1);
      std::string path = "M" + Point(curve.rounds[begin], curve.mean[begin]);
      size_t i = begin + 1;
      for (; i < curve.rounds.size() && !whole(i) == pale; ++i)
        path += "L" + Point(curve.rounds[i], curve.mean[i]);
      out_ += "<path d=\"" + path + "\" " + Stroke(series) +
              (pale ? " stroke-opacity=\"0.4\"" : "") + "/>\n";
      begin = i - 1;
    }
  }

  std::string Stroke(size_t series) const {
    const std::string dash = Dash(series);
    return std::string("fill=\"none\" stroke=\"") + Colour(series) +
           "\" stroke-width=\"1.5\" stroke-linejoin=\"round\"" +
           (dash.empty() ? "" : " stroke-dasharray=\"" + dash + "\"");
  }

  /// As many entries beside each other as the longest label leaves room for; one that is wider than
  /// the figure is broken into lines.
  void PlaceLegend() {
    if (groups_.size() < 2) return;
    double widest = 0;
    for (const std::string& label : labels_)
      widest = std::max(widest, kSwatch + 6 + TextWidth(label) + 14);
    legend_columns_ = static_cast<size_t>(std::clamp(std::floor(kLegendWidth / widest), 1.0, 4.0));
    size_t lines = (groups_.size() + legend_columns_ - 1) / legend_columns_;
    for (const std::string& label : labels_) {
      legend_.push_back(Wrapped(label, kLegendWidth - kSwatch - 6));
      if (legend_columns_ == 1) lines += legend_.back().size() - 1;
    }
    legend_height_ = kLegendLine * static_cast<double>(lines) + 6;
  }

  void Legend() {
    const double column = kLegendWidth / static_cast<double>(legend_columns_);
    double y = kTop + kPlotHeight + kBottom + 0.6 * kLegendLine;
    for (size_t i = 0; i < legend_.size(); ++i) {
      const double x = kLegendLeft + column * static_cast<double>(i % legend_columns_);
      out_ += "<path d=\"M" + Coordinate(x) + "," + Coordinate(y) + "h" + Coordinate(kSwatch) +
              "\" " + Stroke(i) + "/>\n";
      for (size_t line = 0; line < legend_[i].size(); ++line) {
        Text(x + kSwatch + 6, y + 0.35 * kFont, "start", legend_[i][line]);
        if (line + 1 < legend_[i].size()) y += kLegendLine;
      }
      if ((i + 1) % legend_columns_ == 0) y += kLegendLine;
    }
  }

  const std::vector<RunGroup>& groups_;
  const std::vector<std::string> labels_;
  const std::string metric_;
  std::vector<GroupCurve> curves_;
  int64_t last_round_ = 0;
  bool has_bands_ = false;
  Axis values_;
  std::vector<std::vector<std::string>> legend_;  // lines of each label
  size_t legend_columns_ = 1;
  double legend_height_ = 0;
  std::string out_;
};

}  // namespace

std::vector<double> Ticks(double low, double high, int about) {
  FLSIM_CHECK(high > low && about > 0, low, high);
  const double rough = (high - low) / about;
  const double power = std::pow(10, std::floor(std::log10(rough)));
  double step = 10 * power;
  for (const double factor : {5.0, 2.0, 1.0})
    if (factor * power >= rough * 0.999) step = factor * power;
  std::vector<double> ticks;
  for (double i = std::ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; ++i)
    ticks.push_back(i * step + 0.0);  // no -0
  return ticks;
}

std::string SvgFigure(const std::vector<RecordedRun>& runs, const std::string& metric) {
  const std::vector<RunGroup> groups = GroupRuns(runs);
  return Figure(groups, metric).Svg();
}

}  // namespace flsim
