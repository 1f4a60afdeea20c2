// SPDX-License-Identifier: Apache-2.0
// A machine as data: what a file of topologies/ says, and the fabric made from it. docs/topologies.md explains the format.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.hpp"
#include "topology/fabric.hpp"

namespace tutti::topology {

enum class Confidence : uint8_t {
  found,     // the source says so
  derived,   // arithmetic on what it says
  recalled,  // not checked against it
};

struct Citation {
  std::string source;
  Confidence confidence = Confidence::found;
};

struct Figure {
  uint64_t value = 0;  // bytes per second, nanoseconds or per mille
  Citation citation;
};

struct ProtocolModel {
  Protocol protocol;
  Citation citation;             // of the times
  Citation efficiency_citation;
};

// What switches do with data that passes.
struct InFabric {
  uint32_t efficiency_per_mille = 0;
  uint64_t latency_ns = 0;
  bool is_to_all = false;  // reduction: the result comes to all who contribute at once, as from a tree of switches
  Citation citation;
};

struct BypassModel {
  std::vector<uint32_t> block;
  Figure bytes_per_s;
  uint64_t latency_ns = 0;
  uint32_t hop_count = 1;
};

enum class Wrap : uint8_t {
  none,
  all,
  by_axis,
  whole_blocks,  // all axes, if each is a whole number of blocks long
  full_axes,     // the axes that are as long as the machine's
};

enum class Twist : uint8_t {
  never,
  doubled,  // where the long axes are twice as long as the short ones
};

struct LevelModel {
  std::string name;
  LevelKind kind = LevelKind::switched;
  std::vector<uint32_t> dims;
  bool is_fixed = false;  // a shape says nothing about it
  Citation citation;      // of the numbers that are not figures
  uint32_t adapter_count = 0;  // by which a unit is joined to the level; 0: each of its chips is
  uint32_t port_count = 0;     // see FabricLevel
  std::vector<uint32_t> largest;  // by axis; empty: no limit
  uint32_t most_units = 0;        // 0: no limit

  std::vector<Figure> raw_bytes_per_s;  // one for all axes, or one each
  std::vector<Figure> bytes_per_s;      // the same, effective
  Figure hop_ns;
  std::vector<ProtocolModel> protocols;
  std::optional<InFabric> reduction;
  std::optional<InFabric> multicast;

  // Ring, torus, mesh.
  Wrap wrap = Wrap::none;
  std::vector<bool> wraps;  // of Wrap::by_axis
  Twist twist = Twist::never;
  std::vector<uint32_t> block;
  std::optional<Figure> seam_bytes_per_s;
  std::optional<BypassModel> bypass;
  bool is_untwisted = false;  // as a shape asked

  // Fat tree, by tier.
  std::vector<uint32_t> down;
  std::vector<uint32_t> up;                          // from the second tier on; empty: as many as links as fast as an endpoint's need
  std::vector<uint32_t> oversubscription_per_mille;  // from the second tier on; empty: none
  bool has_rails = false;

  // Dragonfly.
  uint32_t units_per_group = 0;
  uint32_t switches_per_group = 0;
  uint32_t links_per_pair = 1;
  uint32_t most_groups = 0;
  uint32_t taper_per_mille = 0;  // 0: a link between groups is as fast as an endpoint's
};

struct NamedShape {
  std::string name;
  std::string shape;
};

struct Model {
  std::string name;
  std::string title;
  std::string chip;  // what one chip is called: "GPU"
  std::vector<NamedShape> shapes;
  std::vector<LevelModel> levels;  // innermost first

  uint64_t chip_count() const;
  // "4x4x8": the axes that a shape is about, innermost first; empty when all levels are fixed.
  std::string shape() const;
};

// How much a file may hold.
inline constexpr size_t kMostModelBytes = 256 * 1024;
inline constexpr size_t kMostLevels = 8;
inline constexpr size_t kMostAxes = 8;

// `file` is what messages call it: "FILE:LINE: key: what is wrong", tuttiInvalidArgument.
Result<Model> parse_model(std::string_view text, const std::string& file);

// "4x4x8", "4x4x8_untwisted", or the name of a shape of the model. Numbers are for the innermost levels that are not fixed; levels for which there
// are none stay as they are. Errors begin with the shape.
Status apply_shape(Model* model, std::string_view shape);

// Which axes wrap, and whether the torus is twisted, for the dims that the level has.
std::vector<bool> wraps_of(const LevelModel& level);
bool is_twisted(const LevelModel& level);

// What makes a level impossible: the key at fault and a text. Nothing if it is fine.
struct Complaint {
  std::string key;
  std::string text;
};
std::optional<Complaint> complaint_about(const LevelModel& level, uint64_t chips_per_unit);

// Of a unit of `chips_per_unit` chips: by how many adapters it is joined to the level.
uint32_t adapters_of(const LevelModel& level, uint64_t chips_per_unit);
// Units with one number for all axes: the product of the dims, at most kMostChips + 1.
uint64_t unit_count(const LevelModel& level);

// Errors: more chips or links than a fabric may have.
Result<std::shared_ptr<const Fabric>> make_fabric(const Model& model);

std::string_view name_of(LevelKind kind);
std::string_view name_of(Confidence confidence);

}  // namespace tutti::topology
