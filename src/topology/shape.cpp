// SPDX-License-Identifier: Apache-2.0
// Which shapes a machine comes in.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "topology/model.hpp"
#include "topology/network.hpp"

namespace tutti::topology {
namespace {

constexpr size_t kMostShapeCharacters = 64;
constexpr std::string_view kTwisted = "_twisted";
constexpr std::string_view kUntwisted = "_untwisted";

struct Wish {
  std::vector<uint32_t> dims;
  std::optional<bool> twisted;
};

Result<Wish> parse_wish(std::string_view text) {
  Wish wish;
  std::string_view rest = text;
  if (rest.ends_with(kUntwisted)) {
    wish.twisted = false;
    rest.remove_suffix(kUntwisted.size());
  } else if (rest.ends_with(kTwisted)) {
    wish.twisted = true;
    rest.remove_suffix(kTwisted.size());
  }
  for (;;) {
    uint32_t size = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), size);
    if (error == std::errc::result_out_of_range || (error == std::errc() && (size == 0 || size > kMostChips))) {
      return tl::make_unexpected(invalid_argument("shape \"{}\": an axis is 1 to {} long", text, kMostChips));
    }
    if (error != std::errc()) {
      return tl::make_unexpected(invalid_argument("shape \"{}\" is not numbers with an x between them, such as 4x4x8", text));
    }
    wish.dims.push_back(size);
    rest.remove_prefix(static_cast<size_t>(end - rest.data()));
    if (rest.empty()) {
      return wish;
    }
    if (rest.front() != 'x' || wish.dims.size() == kMostLevels * kMostAxes) {
      return tl::make_unexpected(invalid_argument("shape \"{}\" is not numbers with an x between them, such as 4x4x8", text));
    }
    rest.remove_prefix(1);
  }
}

Status apply_dims(const Model& unshaped, Model* model, std::string_view text, const std::vector<uint32_t>& dims) {
  size_t taken = 0;
  for (LevelModel& level : model->levels) {
    if (level.is_fixed || taken == dims.size()) {
      continue;
    }
    if (dims.size() - taken < level.dims.size()) {
      taken = 0;
      break;
    }
    std::copy_n(dims.begin() + static_cast<ptrdiff_t>(taken), level.dims.size(), level.dims.begin());
    taken += level.dims.size();
  }
  if (taken == dims.size()) {
    return {};
  }
  const std::string usual = unshaped.shape();
  return invalid_argument("shape \"{}\" has {} {}, but {} {}", text, dims.size(), dims.size() == 1 ? "number" : "numbers", model->name,
                          usual.empty() ? std::string("comes in one shape only") : fmt::format("has those of {}", usual));
}

Status apply_twist(Model* model, std::string_view text, bool twisted) {
  bool any = false;
  for (LevelModel& level : model->levels) {
    level.is_untwisted = false;
    any = any || is_twisted(level);
    level.is_untwisted = !twisted;
  }
  return any ? Status() : invalid_argument("shape \"{}\": {} has no twisted torus of these dimensions", text, model->name);
}

Status check_levels(const Model& model, std::string_view text) {
  uint64_t chips = 1;
  for (const LevelModel& level : model.levels) {
    if (const auto complaint = complaint_about(level, chips)) {
      return invalid_argument("shape \"{}\": level \"{}\": {}: {}", text, level.name, complaint->key, complaint->text);
    }
    chips *= unit_count(level);
  }
  return {};
}

// Whole blocks along every axis.
bool is_whole_blocks(const LevelModel& level) {
  for (size_t axis = 0; axis < level.dims.size(); ++axis) {
    if (level.dims[axis] % level.block[axis] != 0) {
      return false;
    }
  }
  return true;
}

std::optional<Complaint> complaint_about_dims(const LevelModel& level) {
  for (size_t axis = 0; axis < level.largest.size(); ++axis) {
    if (level.dims[axis] > level.largest[axis]) {
      return Complaint{"dims", fmt::format("an axis of {} is longer than the machine's, which is {}", level.dims[axis], level.largest[axis])};
    }
  }
  if (level.most_units != 0 && unit_count(level) > level.most_units) {
    return Complaint{"dims", fmt::format("{} have the product {}; the machine has {} at most", fmt::join(level.dims, "x"), unit_count(level),
                                         level.most_units)};
  }
  if (level.wrap == Wrap::whole_blocks && !is_whole_blocks(level)) {
    for (size_t axis = 0; axis < level.dims.size(); ++axis) {
      if (level.dims[axis] > level.block[axis]) {
        return Complaint{"dims", fmt::format("{} is larger than a block of {}, and not whole blocks", fmt::join(level.dims, "x"),
                                             fmt::join(level.block, "x"))};
      }
    }
  }
  return std::nullopt;
}

std::optional<Complaint> complaint_about_tiers(const LevelModel& level, uint64_t chips_per_unit) {
  const uint64_t adapters = adapters_of(level, chips_per_unit);
  // Leaves of rails come in groups, one a rail.
  uint64_t subtrees = level.has_rails ? divided_up(unit_count(level), level.down.front()) * adapters
                                      : divided_up(unit_count(level) * adapters, level.down.front());
  for (size_t tier = 1; tier < level.down.size(); ++tier) {
    subtrees = divided_up(subtrees, level.down[tier]);
  }
  if (subtrees > 1) {
    return Complaint{"down", fmt::format("tiers of {} do not join {} units with {} {} each", fmt::join(level.down, ", "), unit_count(level), adapters,
                                         adapters == 1 ? "adapter" : "adapters")};
  }
  return std::nullopt;
}

std::optional<Complaint> complaint_about_groups(const LevelModel& level, uint64_t chips_per_unit) {
  const uint64_t in_group = uint64_t{level.units_per_group} * adapters_of(level, chips_per_unit);
  if (in_group % level.switches_per_group != 0) {
    return Complaint{"switches_per_group",
                     fmt::format("{} switches cannot share the {} adapters of a group evenly", level.switches_per_group, in_group)};
  }
  const uint64_t groups = divided_up(unit_count(level), level.units_per_group);
  if (groups > level.most_groups) {
    return Complaint{"dims", fmt::format("{} units are {} groups; the machine has {} at most", unit_count(level), groups, level.most_groups)};
  }
  return std::nullopt;
}

}  // namespace

uint64_t unit_count(const LevelModel& level) {
  uint64_t product = 1;
  for (uint32_t size : level.dims) {
    product = std::min<uint64_t>(product * size, kMostChips + 1);
  }
  return product;
}

uint32_t adapters_of(const LevelModel& level, uint64_t chips_per_unit) {
  const uint64_t wanted = level.adapter_count == 0 ? chips_per_unit : std::min<uint64_t>(level.adapter_count, chips_per_unit);
  return static_cast<uint32_t>(wanted);
}

uint64_t Model::chip_count() const {
  uint64_t product = 1;
  for (const LevelModel& level : levels) {
    product = std::min<uint64_t>(product * unit_count(level), kMostChips + 1);
  }
  return product;
}

std::string Model::shape() const {
  std::vector<uint32_t> dims;
  bool untwisted = false;
  for (const LevelModel& level : levels) {
    if (!level.is_fixed) {
      dims.insert(dims.end(), level.dims.begin(), level.dims.end());
      untwisted = untwisted || level.is_untwisted;
    }
  }
  return fmt::format("{}{}", fmt::join(dims, "x"), untwisted ? kUntwisted : "");
}

std::vector<bool> wraps_of(const LevelModel& level) {
  std::vector<bool> wraps(level.dims.size(), level.kind == LevelKind::ring);
  for (size_t axis = 0; axis < level.dims.size(); ++axis) {
    switch (level.wrap) {
      case Wrap::none:
        break;
      case Wrap::all:
        wraps[axis] = true;
        break;
      case Wrap::by_axis:
        wraps[axis] = level.wraps[axis];
        break;
      case Wrap::whole_blocks:
        wraps[axis] = is_whole_blocks(level);
        break;
      case Wrap::full_axes:
        wraps[axis] = level.dims[axis] == level.largest[axis];
        break;
    }
    wraps[axis] = wraps[axis] && level.dims[axis] > 2;
  }
  return wraps;
}

bool is_twisted(const LevelModel& level) {
  if (level.twist == Twist::never || level.is_untwisted) {
    return false;
  }
  const std::vector<bool> wraps = wraps_of(level);
  const auto [shortest, longest] = std::minmax_element(level.dims.begin(), level.dims.end());
  return std::all_of(wraps.begin(), wraps.end(), [](bool wrap) { return wrap; }) && *longest == 2 * *shortest &&
         std::all_of(level.dims.begin(), level.dims.end(), [&](uint32_t size) { return size == *shortest || size == *longest; });
}

std::optional<Complaint> complaint_about(const LevelModel& level, uint64_t chips_per_unit) {
  if (unit_count(level) * chips_per_unit > kMostChips) {
    return Complaint{"dims", fmt::format("more than {} chips", kMostChips)};
  }
  if (const auto complaint = complaint_about_dims(level)) {
    return complaint;
  }
  if (level.kind == LevelKind::fat_tree) {
    return complaint_about_tiers(level, chips_per_unit);
  }
  if (level.kind == LevelKind::dragonfly) {
    return complaint_about_groups(level, chips_per_unit);
  }
  return std::nullopt;
}

Status apply_shape(Model* model, std::string_view shape) {
  const std::string_view asked = shape;
  for (const NamedShape& named : model->shapes) {
    if (named.name == asked) {
      shape = named.shape;
    }
  }
  if (shape.size() > kMostShapeCharacters) {
    return invalid_argument("shape \"{}...\" has more than {} characters", shape.substr(0, kMostShapeCharacters), kMostShapeCharacters);
  }
  const Result<Wish> wish = parse_wish(shape);
  if (!wish) {
    return wish.error();
  }
  Model shaped = *model;
  TUTTI_RETURN_IF_ERROR(apply_dims(*model, &shaped, asked, wish->dims));
  TUTTI_RETURN_IF_ERROR(check_levels(shaped, asked));
  if (wish->twisted) {
    TUTTI_RETURN_IF_ERROR(apply_twist(&shaped, asked, *wish->twisted));
  }
  *model = std::move(shaped);
  return {};
}

}  // namespace tutti::topology
