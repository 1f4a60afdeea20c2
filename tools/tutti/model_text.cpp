// SPDX-License-Identifier: Apache-2.0
#include "model_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "topology/quantity.hpp"

namespace tutti::tool {
namespace {

using topology::FabricLevel;
using topology::LevelKind;
using topology::LevelModel;

std::string bandwidths_text(const std::vector<topology::Figure>& figures) {
  std::string text;
  for (const topology::Figure& figure : figures) {
    text += (text.empty() ? "" : ", ") + topology::format_bandwidth(figure.value);
  }
  return text;
}

std::string wraps_text(const FabricLevel& shape) {
  const auto count = std::count(shape.wraps.begin(), shape.wraps.end(), true);
  if (shape.is_twisted) {
    return ", twisted";
  }
  if (count == 0) {
    return ", without wrap";
  }
  if (count == static_cast<ptrdiff_t>(shape.wraps.size())) {
    return "";
  }
  std::vector<uint32_t> lengths;
  for (size_t axis = 0; axis < shape.wraps.size(); ++axis) {
    if (shape.wraps[axis]) {
      lengths.push_back(shape.dims[axis]);
    }
  }
  return fmt::format(", wraps on {} of {}", lengths.size() == 1 ? "the axis" : "axes", fmt::join(lengths, ", "));
}

std::string protocol_text(const topology::Protocol& protocol) {
  std::string text = fmt::format("{}: {} a step at {}", protocol.name, topology::format_duration(protocol.step_ns),
                                 topology::format_share(protocol.efficiency_per_mille));
  return protocol.base_ns == 0 ? text : fmt::format("{}, {} to begin", text, topology::format_duration(protocol.base_ns));
}

// Figures that nobody has checked against their source.
std::set<std::string> recalled(const LevelModel& level) {
  std::set<std::string> names;
  const auto note = [&](const topology::Citation& citation, const char* name) {
    if (citation.confidence == topology::Confidence::recalled) {
      names.insert(name);
    }
  };
  note(level.citation, "structure");
  for (const topology::Figure& figure : level.raw_bytes_per_s) {
    note(figure.citation, "raw bandwidth");
  }
  for (const topology::Figure& figure : level.bytes_per_s) {
    note(figure.citation, "bandwidth");
  }
  note(level.hop_ns.citation, "hop");
  for (const topology::ProtocolModel& protocol : level.protocols) {
    note(protocol.citation, "steps");
    note(protocol.efficiency_citation, "efficiency");
  }
  if (level.reduction) {
    note(level.reduction->citation, "reduction");
  }
  if (level.multicast) {
    note(level.multicast->citation, "multicast");
  }
  return names;
}

std::vector<std::string> lines_of(const LevelModel& level) {
  std::vector<std::string> lines{figures_text(level)};
  for (const topology::ProtocolModel& protocol : level.protocols) {
    lines.push_back(protocol_text(protocol.protocol));
  }
  if (level.reduction) {
    lines.push_back(fmt::format("reduces in its switches{}: {} of the bandwidth, {}", level.reduction->is_to_all ? ", to all at once" : "",
                                topology::format_share(level.reduction->efficiency_per_mille),
                                topology::format_duration(level.reduction->latency_ns)));
  }
  if (level.multicast) {
    lines.push_back(fmt::format("copies in its switches: {} of the bandwidth", topology::format_share(level.multicast->efficiency_per_mille)));
  }
  if (const std::set<std::string> names = recalled(level); !names.empty()) {
    lines.push_back(fmt::format("recalled, not checked: {}", fmt::join(names, ", ")));
  }
  return lines;
}

}  // namespace

std::string grouped(uint64_t number) {
  std::string text = fmt::format("{}", number);
  for (size_t digits = 3; digits < text.size(); digits += 4) {
    text.insert(text.size() - digits, 1, ',');
  }
  return text;
}

std::string counted(uint64_t number, const std::string& noun) {
  const std::string_view ending = noun.ends_with("ch") || noun.ends_with('s') ? "es" : "s";
  return fmt::format("{} {}{}", grouped(number), noun, number == 1 ? "" : ending);
}

std::string structure_text(const LevelModel& level, const FabricLevel& shape) {
  switch (level.kind) {
    case LevelKind::full_mesh:
      return "full mesh";
    case LevelKind::switched:
      return "switch";
    case LevelKind::rails:
      return "a switch for each rail";
    case LevelKind::ring:
      return "ring";
    case LevelKind::torus:
      return fmt::format("torus {}{}", fmt::join(shape.dims, "x"), wraps_text(shape));
    case LevelKind::mesh:
      return fmt::format("mesh {}", fmt::join(shape.dims, "x"));
    case LevelKind::fat_tree:
      return level.has_rails ? "fat tree with rails" : "fat tree";
    case LevelKind::dragonfly:
      return fmt::format("dragonfly, groups of {}", grouped(level.units_per_group));
  }
  return "";
}

std::string units_text(const Machine& machine, size_t index) {
  const FabricLevel& shape = machine.fabric.levels()[index];
  if (shape.chips_per_unit == 1) {
    return counted(shape.unit_count, machine.model.chip);
  }
  return fmt::format("{} of {}", counted(shape.unit_count, "unit"), counted(shape.chips_per_unit, machine.model.chip));
}

std::string figures_text(const LevelModel& level) {
  std::string text = bandwidths_text(level.bytes_per_s);
  if (!level.raw_bytes_per_s.empty()) {
    text += " of " + bandwidths_text(level.raw_bytes_per_s);
  }
  return fmt::format("{} a link, {} a hop", text, topology::format_duration(level.hop_ns.value));
}

std::string tree_text(const Machine& machine) {
  const topology::Model& model = machine.model;
  const std::string shape = model.shape();
  std::string text = fmt::format("{} ({}{}{}): {}, {}\n", model.title, model.name, shape.empty() ? "" : ":", shape,
                                 counted(machine.fabric.chip_count(), model.chip), counted(machine.fabric.link_count(), "link"));
  std::string indent;
  for (size_t index = model.levels.size(); index-- > 0;) {
    const LevelModel& level = model.levels[index];
    const FabricLevel& made = machine.fabric.levels()[index];
    if (made.unit_count == 1) {
      continue;
    }
    text += fmt::format("{}└─ {}: {}, {}\n", indent, level.name, structure_text(level, made), units_text(machine, index));
    indent += "   ";
    for (const std::string& line : lines_of(level)) {
      text += fmt::format("{}   {}\n", indent, line);
    }
  }
  return text;
}

}  // namespace tutti::tool
