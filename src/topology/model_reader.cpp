// SPDX-License-Identifier: Apache-2.0
// From the text of a model file to a Model. docs/topologies.md explains every key.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "topology/model_section.hpp"
#include "topology/quantity.hpp"

namespace tutti::topology {
namespace {

using Need = Section::Need;

constexpr uint64_t kFormat = 1;
// What toml++ is given has at most this many brackets inside each other and parts of a dotted key: it goes down one call for each.
constexpr uint32_t kMostNesting = 8;
constexpr uint32_t kMostDots = 32;
constexpr size_t kMostSources = 64;
constexpr size_t kMostShapes = 32;
constexpr size_t kMostProtocols = 8;
constexpr uint64_t kMostParallelLinks = 4096;
constexpr size_t kMostTwistedAxes = 4;

constexpr std::array<std::string_view, 8> kKinds{"full_mesh", "switch", "ring", "torus", "mesh", "fat_tree", "dragonfly", "rails"};
constexpr std::array<std::string_view, 3> kConfidences{"found", "derived", "recalled"};

// Looks at brackets, quotes and dots only. Texts over several lines, in which those would mean nothing, are refused.
class Scan {
 public:
  explicit Scan(Complaints& complaints) : complaints_(complaints) {}

  void run(std::string_view text) {
    for (size_t at = 0; at < text.size() && !complaints_.any(); ++at) {
      if (quote_ != '\0') {
        at += inside_quotes(text[at]) ? 1 : 0;
      } else if (text.substr(at, 3) == "\"\"\"" || text.substr(at, 3) == "'''") {
        complaints_.add(line_, "syntax", "texts over several lines are not allowed");
      } else {
        outside_quotes(text[at]);
      }
    }
  }

 private:
  // Returns whether the next character is escaped.
  bool inside_quotes(char character) {
    if (character == '\n') {
      complaints_.add(line_, "syntax", "a quote is not closed on its line");
    } else if (character == quote_) {
      quote_ = '\0';
    }
    return character == '\\' && quote_ == '"';
  }

  void outside_quotes(char character) {
    if (character == '\n') {
      ++line_;
      dots_ = 0;
      is_comment_ = false;
    } else if (is_comment_) {
      return;
    } else if (character == '#') {
      is_comment_ = true;
    } else if (character == '"' || character == '\'') {
      quote_ = character;
    } else if (character == '[' || character == '{') {
      if (++depth_ > kMostNesting) {
        complaints_.add(line_, "syntax", fmt::format("more than {} brackets inside each other", kMostNesting));
      }
    } else if (character == ']' || character == '}') {
      depth_ -= depth_ > 0 ? 1 : 0;
    } else if (character == '.' && ++dots_ > kMostDots) {
      complaints_.add(line_, "syntax", fmt::format("more than {} dots in a line", kMostDots));
    }
  }

  Complaints& complaints_;
  char quote_ = '\0';  // that will end the text it is in
  bool is_comment_ = false;
  uint32_t depth_ = 0;
  uint32_t dots_ = 0;
  uint32_t line_ = 1;
};

bool is_lattice(LevelKind kind) { return kind == LevelKind::ring || kind == LevelKind::torus || kind == LevelKind::mesh; }

class Reader {
 public:
  Reader(const toml::table& root, Complaints& complaints) : root_(root, "", complaints), complaints_(complaints) {}

  Model read() {
    Model model;
    root_.whole("format", Need::required, {.least = kFormat, .most = kFormat});
    model.name = root_.text("name", Need::required);
    model.title = root_.text("title", Need::required);
    model.chip = root_.text("chip", Need::required);
    const uint64_t chips = root_.whole("chips", Need::required);
    read_sources();
    read_shapes(&model);
    for (Section& section : root_.tables("level", Need::required, kMostLevels)) {
      model.levels.push_back(read_level(section));
      section.finish();
      if (complaints_.any()) {
        return model;
      }
      check_level(section, model);
    }
    root_.finish();
    if (!complaints_.any() && model.chip_count() != chips) {
      root_.complain("chips", fmt::format("{}, but the product of all dims is {}", chips, model.chip_count()));
    }
    check_sources_and_shapes(model);
    return model;
  }

 private:
  void read_sources() {
    if (auto section = root_.table("sources", Need::required)) {
      for (auto& [key, text] : section->all_texts(kMostSources)) {
        sources_[key] = {.text = text, .line = section->line_of(key)};
      }
    }
  }

  void read_shapes(Model* model) {
    if (auto section = root_.table("shapes", Need::optional)) {
      for (auto& [key, text] : section->all_texts(kMostShapes)) {
        shape_lines_.push_back(section->line_of(key));
        model->shapes.push_back({.name = key, .shape = text});
      }
    }
  }

  LevelModel read_level(Section& section) {
    LevelModel level;
    level.name = section.text("name", Need::required);
    level.kind = static_cast<LevelKind>(section.word("kind", Need::required, kKinds));
    level.dims = section.wholes("dims", Need::required, is_lattice(level.kind) ? kMostAxes : 1);
    level.is_fixed = section.flag("fixed");
    level.citation = section.citation(sources_);
    level.adapter_count = static_cast<uint32_t>(section.whole("adapters", Need::optional));
    level.port_count = static_cast<uint32_t>(section.whole("ports_at_once", Need::optional));
    level.largest = section.wholes("largest", Need::optional, kMostAxes);
    level.most_units = static_cast<uint32_t>(section.whole("most_units", Need::optional));
    check_axes(section, "largest", level.largest.size(), level);
    read_figures(section, &level);
    switch (level.kind) {
      case LevelKind::ring:
      case LevelKind::torus:
      case LevelKind::mesh:
        read_lattice(section, &level);
        break;
      case LevelKind::fat_tree:
        read_tiers(section, &level);
        break;
      case LevelKind::dragonfly:
        read_groups(section, &level);
        break;
      case LevelKind::full_mesh:
      case LevelKind::switched:
      case LevelKind::rails:
        break;
    }
    return level;
  }

  void read_figures(Section& section, LevelModel* level) {
    level->raw_bytes_per_s = read_bandwidths(section, "raw", Need::optional, *level);
    level->bytes_per_s = read_bandwidths(section, "effective", Need::required, *level);
    for (size_t axis = 0; axis < level->bytes_per_s.size() && !level->raw_bytes_per_s.empty(); ++axis) {
      if (level->bytes_per_s[axis].value > level->raw_bytes_per_s[std::min(axis, level->raw_bytes_per_s.size() - 1)].value) {
        section.complain("effective", "is more than raw");
      }
    }
    if (auto figure = section.table("hop_latency", Need::required)) {
      level->hop_ns = read_figure(*figure, parse_duration);
    }
    for (Section& protocol : section.tables("protocols", Need::required, kMostProtocols)) {
      level->protocols.push_back(read_protocol(protocol));
    }
    level->reduction = read_in_fabric(section, "reduction");
    level->multicast = read_in_fabric(section, "multicast");
    if (level->multicast && level->multicast->is_to_all) {
      section.complain("multicast", "copies to all anyway; to_all is for reduction");
    }
  }

  // A value for each axis, or one for all.
  std::vector<Figure> read_bandwidths(Section& section, std::string_view key, Need need, const LevelModel& level) {
    std::vector<Figure> figures;
    if (auto table = section.table(key, need)) {
      const Citation citation = table->citation(sources_);
      const std::vector<std::string> values = table->texts("value", Need::required, kMostAxes);
      for (const std::string& value : values) {
        figures.push_back({.value = table->convert<uint64_t>("value", value, parse_bandwidth), .citation = citation});
      }
      if (values.size() > 1 && values.size() != level.dims.size()) {
        table->complain("value", fmt::format("has {} values; there are {} dims", values.size(), level.dims.size()));
      }
      table->finish();
    }
    return figures;
  }

  Figure read_figure(Section& table, Result<uint64_t> (*parse)(std::string_view)) {
    Figure figure{.value = table.quantity<uint64_t>("value", Need::required, parse), .citation = table.citation(sources_)};
    table.finish();
    return figure;
  }

  ProtocolModel read_protocol(Section& table) {
    ProtocolModel result;
    result.protocol.name = table.text("name", Need::required);
    result.protocol.base_ns = table.quantity<uint64_t>("base", Need::optional, parse_duration);
    result.protocol.step_ns = table.quantity<uint64_t>("step", Need::required, parse_duration);
    result.citation = table.citation(sources_);
    if (auto efficiency = table.table("efficiency", Need::required)) {
      result.efficiency_citation = efficiency->citation(sources_);
      result.protocol.efficiency_per_mille = efficiency->quantity<uint32_t>("value", Need::required, parse_share);
      efficiency->finish();
    }
    table.finish();
    return result;
  }

  std::optional<InFabric> read_in_fabric(Section& section, std::string_view key) {
    auto table = section.table(key, Need::optional);
    if (!table) {
      return std::nullopt;
    }
    InFabric result;
    result.efficiency_per_mille = table->quantity<uint32_t>("efficiency", Need::required, parse_share);
    result.latency_ns = table->quantity<uint64_t>("latency", Need::required, parse_duration);
    result.is_to_all = table->flag("to_all");
    result.citation = table->citation(sources_);
    table->finish();
    return result;
  }

  void read_lattice(Section& section, LevelModel* level) {
    if (level->kind == LevelKind::ring && level->dims.size() > 1) {
      section.complain("dims", "a ring has one");
    }
    level->block = section.wholes("block", Need::optional, kMostAxes);
    check_axes(section, "block", level->block.size(), *level);
    if (level->kind == LevelKind::torus) {
      read_wrap(section, level);
      static constexpr std::string_view words[] = {"never", "doubled"};
      level->twist = static_cast<Twist>(section.word("twist", Need::optional, words));
      if (level->twist != Twist::never && level->dims.size() > kMostTwistedAxes) {
        section.complain("twist", fmt::format("is for at most {} dims", kMostTwistedAxes));
      }
    } else if (level->kind == LevelKind::ring) {
      level->wrap = Wrap::all;
    }
    if (auto seam = section.table("seam", Need::optional)) {
      level->seam_bytes_per_s = read_figure(*seam, parse_bandwidth);
      if (level->block.empty()) {
        section.complain("seam", "is between blocks, but there is no block");
      }
    }
    if (auto table = section.table("bypass", Need::optional)) {
      BypassModel bypass;
      bypass.block = table->wholes("block", Need::required, kMostAxes);
      bypass.hop_count = static_cast<uint32_t>(table->whole("hops", Need::required));
      bypass.latency_ns = table->quantity<uint64_t>("latency", Need::required, parse_duration);
      bypass.bytes_per_s = read_figure(*table, parse_bandwidth);
      check_axes(*table, "block", bypass.block.size(), *level);
      level->bypass = std::move(bypass);
    }
  }

  void read_wrap(Section& section, LevelModel* level) {
    if (section.is_list("wrap")) {
      level->wrap = Wrap::by_axis;
      level->wraps = section.flags("wrap", kMostAxes);
      if (level->wraps.size() != level->dims.size()) {
        section.complain("wrap", fmt::format("has {} values; there are {} dims", level->wraps.size(), level->dims.size()));
      }
      return;
    }
    static constexpr std::string_view words[] = {"none", "all", "whole blocks", "full axes"};
    static constexpr Wrap wraps[] = {Wrap::none, Wrap::all, Wrap::whole_blocks, Wrap::full_axes};
    level->wrap = wraps[section.word("wrap", Need::required, words)];
    if (level->wrap == Wrap::whole_blocks && level->block.empty()) {
      section.complain("wrap", "is about blocks, but there is no block");
    }
    if (level->wrap == Wrap::full_axes && level->largest.empty()) {
      section.complain("wrap", "is about the machine's axes, but there is no largest");
    }
  }

  void read_tiers(Section& section, LevelModel* level) {
    level->down = section.wholes("down", Need::required, kMostAxes);
    level->up = section.wholes("up", Need::optional, kMostAxes);
    const std::vector<std::string> ratios = section.texts("oversubscription", Need::optional, kMostAxes);
    for (const std::string& ratio : ratios) {
      level->oversubscription_per_mille.push_back(section.convert<uint32_t>("oversubscription", ratio, parse_ratio));
    }
    level->has_rails = section.flag("rails");
    const size_t above = level->down.empty() ? 0 : level->down.size() - 1;
    if (!level->up.empty() && level->up.size() != above) {
      section.complain("up", fmt::format("has {} values; above the leaves there are {} tiers", level->up.size(), above));
    }
    if (!ratios.empty() && ratios.size() != above) {
      section.complain("oversubscription", fmt::format("has {} values; above the leaves there are {} tiers", ratios.size(), above));
    }
  }

  void read_groups(Section& section, LevelModel* level) {
    level->most_groups = static_cast<uint32_t>(section.whole("groups", Need::required));
    level->units_per_group = static_cast<uint32_t>(section.whole("units_per_group", Need::required));
    level->switches_per_group = static_cast<uint32_t>(section.whole("switches_per_group", Need::required, {.least = 1, .most = kMostParallelLinks}));
    level->links_per_pair = static_cast<uint32_t>(section.whole("links_per_pair", Need::required, {.least = 1, .most = kMostParallelLinks}));
    level->taper_per_mille = section.quantity<uint32_t>("taper", Need::optional, parse_ratio);
  }

  void check_axes(Section& section, std::string_view key, size_t count, const LevelModel& level) {
    if (count != 0 && count != level.dims.size()) {
      section.complain(key, fmt::format("has {} values; there are {} dims", count, level.dims.size()));
    }
  }

  // The newest level, on what the others are.
  void check_level(Section& section, const Model& model) {
    uint64_t chips_per_unit = 1;
    for (size_t index = 0; index + 1 < model.levels.size(); ++index) {
      chips_per_unit *= unit_count(model.levels[index]);
    }
    const LevelModel& level = model.levels.back();
    if (level.adapter_count > chips_per_unit) {
      section.complain("adapters", fmt::format("{}, more than the {} chips of a unit", level.adapter_count, chips_per_unit));
    } else if (const auto complaint = complaint_about(level, chips_per_unit)) {
      section.complain(complaint->key, complaint->text);
    }
  }

  void check_sources_and_shapes(const Model& model) {
    for (const auto& [key, source] : sources_) {
      if (!source.is_used) {
        complaints_.add(source.line, fmt::format("sources.{}", key), "is the source of nothing");
      }
    }
    for (size_t index = 0; index < model.shapes.size() && !complaints_.any(); ++index) {
      Model shaped = model;
      if (const Status status = apply_shape(&shaped, model.shapes[index].shape); !status.ok()) {
        complaints_.add(shape_lines_[index], fmt::format("shapes.{}", model.shapes[index].name), status.message());
      }
    }
  }

  Section root_;
  Complaints& complaints_;
  Sources sources_;
  std::vector<uint32_t> shape_lines_;
};

}  // namespace

Result<Model> parse_model(std::string_view text, const std::string& file) {
  Complaints complaints(file);
  if (text.size() > kMostModelBytes) {
    complaints.add(1, "size", fmt::format("{} bytes; a model has at most {}", text.size(), kMostModelBytes));
    return tl::make_unexpected(complaints.status());
  }
  Scan(complaints).run(text);
  TUTTI_UNEXPECTED_IF_ERROR(complaints.status());
  const toml::parse_result parsed = toml::parse(text);
  if (!parsed) {
    complaints.add(std::max<uint32_t>(parsed.error().source().begin.line, 1), "syntax", parsed.error().description());
    return tl::make_unexpected(complaints.status());
  }
  Model model = Reader(parsed.table(), complaints).read();
  TUTTI_UNEXPECTED_IF_ERROR(complaints.status());
  if (const auto fabric = make_fabric(model); !fabric) {
    complaints.add(1, "level", fabric.error().message());
    return tl::make_unexpected(complaints.status());
  }
  return model;
}

std::string_view name_of(LevelKind kind) { return kKinds[static_cast<size_t>(kind)]; }
std::string_view name_of(Confidence confidence) { return kConfidences[static_cast<size_t>(confidence)]; }

}  // namespace tutti::topology
