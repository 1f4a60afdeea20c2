// SPDX-License-Identifier: Apache-2.0
// The fabric of a model: a network for each level, laid over all units of that level.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <utility>

#include "topology/model.hpp"
#include "topology/network.hpp"

namespace tutti::topology {
namespace {

// A level as laid out. An instance is what the level makes of its units: it holds `plane_count` copies of the network, and if the endpoints are not
// single chips, or a chip cannot drive all its links at once, two links for each chip, to its endpoint and back. In instances, planes one after
// another come first, then the links to endpoints, then those back; nodes are the endpoints, if they are nodes of their own, then the switches.
struct Layer {
  std::unique_ptr<const Network> network;
  uint32_t unit_count = 1;
  uint32_t chips_per_unit = 1;
  uint32_t adapters_per_unit = 1;
  uint32_t plane_count = 1;  // adapters_per_unit, or 1 if one network joins all adapters
  uint64_t attach_bytes_per_s = 0;  // 0: endpoints are chips
  uint32_t first_link = 0;
  uint32_t links_per_plane = 0;  // of the network
  uint32_t links_per_instance = 0;
  uint32_t first_node = 0;
  uint32_t nodes_per_instance = 0;
  std::vector<Protocol> protocols;

  uint32_t chips_per_instance() const { return unit_count * chips_per_unit; }
  uint32_t network_links() const { return plane_count * links_per_plane; }
  uint32_t endpoints() const { return attach_bytes_per_s == 0 ? 0 : unit_count * adapters_per_unit; }
  // Of a chip, by its number in its instance.
  uint32_t unit(uint32_t local) const { return local / chips_per_unit; }
  uint32_t adapter(uint32_t local) const {
    return static_cast<uint32_t>(uint64_t{local % chips_per_unit} * adapters_per_unit / chips_per_unit);
  }
  uint32_t plane(uint32_t local) const { return plane_count == 1 ? 0 : adapter(local); }
  uint32_t endpoint(uint32_t local) const { return plane_count == 1 ? unit(local) * adapters_per_unit + adapter(local) : unit(local); }
  // The adapter of the instance that is `endpoint` in `plane`, in the order of units.
  uint32_t adapter_of(uint32_t plane, uint32_t endpoint) const { return plane_count == 1 ? endpoint : endpoint * adapters_per_unit + plane; }
};

class NestedFabric : public Fabric {
 public:
  NestedFabric(std::vector<Layer> layers, std::vector<FabricLevel> levels)
      : layers_(std::move(layers)), levels_(std::move(levels)), chip_count_(layers_.back().chips_per_instance()) {
    for (const Layer& layer : layers_) {
      const uint32_t instances = chip_count_ / layer.chips_per_instance();
      link_count_ += instances * layer.links_per_instance;
      node_count_ = layer.first_node + instances * layer.nodes_per_instance;
    }
  }

  uint32_t chip_count() const override { return chip_count_; }
  uint32_t link_count() const override { return link_count_; }
  uint32_t node_count() const override { return node_count_; }

  uint64_t bytes_per_s(LinkId link) const override {
    const Place at = find(link);
    return at.local < at.layer->network_links() ? at.layer->network->bytes_per_s(at.local % at.layer->links_per_plane)
                                                : at.layer->attach_bytes_per_s;
  }

  LinkEnds ends(LinkId link) const override {
    const Place at = find(link);
    const Layer& layer = *at.layer;
    const uint32_t first_chip = at.instance * layer.chips_per_instance();
    if (at.local >= layer.network_links()) {
      const uint32_t index = at.local - layer.network_links();
      const uint32_t chip = index % layer.chips_per_instance();
      const NodeId adapter = first_node(at) + layer.unit(chip) * layer.adapters_per_unit + layer.adapter(chip);
      return index < layer.chips_per_instance() ? LinkEnds{.source = first_chip + chip, .target = adapter}
                                                : LinkEnds{.source = adapter, .target = first_chip + chip};
    }
    const LinkEnds local = layer.network->ends(at.local % layer.links_per_plane);
    const uint32_t plane = at.local / layer.links_per_plane;
    return {.source = node(at, plane, local.source), .target = node(at, plane, local.target)};
  }

  std::string name(LinkId link) const override {
    const Place at = find(link);
    const LinkEnds both = ends(link);
    std::string text = levels_[static_cast<size_t>(at.layer - layers_.data())].name;
    if (chip_count_ > at.layer->chips_per_instance()) {
      text += fmt::format(" {}", at.instance);
    }
    text += fmt::format(": {} -> {}", node_name(at, both.source), node_name(at, both.target));
    const bool is_in_network = at.local < at.layer->network_links();
    const std::string mark = is_in_network ? at.layer->network->link_mark(at.local % at.layer->links_per_plane) : std::string();
    return mark.empty() ? text : text + " " + mark;
  }

  uint32_t route_count(uint32_t source, uint32_t target) const override {
    uint32_t count = 1;
    for (const Leg& leg : Legs(layers_, source, target)) {
      count *= way_count(leg);
    }
    return count;
  }

  void route(uint32_t source, uint32_t target, uint32_t choice, Route* route) const override {
    route->links.clear();
    route->latency_ns = 0;
    const Legs legs(layers_, source, target);
    for (const Leg& leg : legs) {
      const uint32_t count = &leg == legs.end() - 1 ? UINT32_MAX : way_count(leg);  // nothing is left to choose behind the last
      add_leg(leg, choice % count, route);
      choice /= count;
    }
  }

  bool is_adjacent(uint32_t source, uint32_t target) const override {
    const Legs legs(layers_, source, target);
    if (legs.end() - legs.begin() != 1) {
      return false;
    }
    const Leg& leg = *legs.begin();
    const Layer& layer = *leg.layer;
    return layer.network->is_adjacent(layer.endpoint(leg.source % layer.chips_per_instance()), layer.endpoint(leg.target % layer.chips_per_instance()));
  }

  std::span<const Protocol> protocols(uint32_t source, uint32_t target) const override { return layers_[level(source, target)].protocols; }
  std::span<const FabricLevel> levels() const override { return levels_; }

  uint32_t level(uint32_t source, uint32_t target) const override {
    return static_cast<uint32_t>(&layer_of(layers_, source, target) - layers_.data());
  }

 private:
  // Where a link is.
  struct Place {
    const Layer* layer;
    uint32_t instance;
    uint32_t local;  // link in the instance
  };
  // A part of a way that stays in one level.
  struct Leg {
    const Layer* layer;
    uint32_t source;
    uint32_t target;
  };
  // Between units whose planes are apart, a way first goes, inside the unit, to the chip that has the target's place there.
  class Legs {
   public:
    Legs(const std::vector<Layer>& layers, uint32_t source, uint32_t target) {
      while (source != target) {  // from the last to the first, each in a lower layer
        assert(first_ != 0);
        const Layer& layer = layer_of(layers, source, target);
        const uint32_t size = layer.chips_per_instance();
        const bool are_apart = layer.plane(source % size) != layer.plane(target % size);
        const uint32_t from = are_apart ? source - source % layer.chips_per_unit + target % layer.chips_per_unit : source;
        legs_[--first_] = {.layer = &layer, .source = from, .target = target};
        target = from;
      }
    }
    const Leg* begin() const { return legs_.data() + first_; }
    const Leg* end() const { return legs_.data() + legs_.size(); }

   private:
    std::array<Leg, kMostLevels> legs_;
    size_t first_ = kMostLevels;
  };

  static const Layer& layer_of(const std::vector<Layer>& layers, uint32_t source, uint32_t target) {
    const Layer* layer = layers.data();
    while (source / layer->chips_per_instance() != target / layer->chips_per_instance()) {
      ++layer;
    }
    return *layer;
  }

  static uint32_t way_count(const Leg& leg) {
    const Layer& layer = *leg.layer;
    const uint32_t size = layer.chips_per_instance();
    return layer.network->way_count(layer.endpoint(leg.source % size), layer.endpoint(leg.target % size));
  }

  Place find(LinkId link) const {
    const Layer* layer = &layers_.front();
    while (layer != &layers_.back() && link >= (layer + 1)->first_link) {
      ++layer;
    }
    const uint32_t local = link - layer->first_link;
    return {.layer = layer, .instance = local / layer->links_per_instance, .local = local % layer->links_per_instance};
  }

  static NodeId first_node(const Place& at) { return at.layer->first_node + at.instance * at.layer->nodes_per_instance; }

  static NodeId node(const Place& at, uint32_t plane, NodeId local) {
    const Layer& layer = *at.layer;
    const uint32_t endpoints = layer.network->endpoint_count();
    if (local >= endpoints) {
      return first_node(at) + layer.endpoints() + plane * static_cast<uint32_t>(layer.network->switch_count()) + local - endpoints;
    }
    const uint32_t adapter = layer.adapter_of(plane, local);
    return layer.attach_bytes_per_s == 0 ? at.instance * layer.chips_per_instance() + adapter : first_node(at) + adapter;
  }

  std::string node_name(const Place& at, NodeId node) const {
    const Layer& layer = *at.layer;
    const uint32_t endpoints = layer.network->endpoint_count();
    if (node < chip_count_) {
      const bool is_point = layer.chips_per_unit == 1 && layer.attach_bytes_per_s == 0;
      return is_point ? fmt::format("chip {}", layer.network->node_name(node % layer.chips_per_instance())) : fmt::format("chip {}", node);
    }
    uint32_t local = node - first_node(at);
    if (local < layer.endpoints()) {
      return fmt::format("unit {} adapter {}", local / layer.adapters_per_unit, local % layer.adapters_per_unit);
    }
    local -= layer.endpoints();
    const auto switches = static_cast<uint32_t>(layer.network->switch_count());
    const std::string name = layer.network->node_name(endpoints + local % switches);
    return layer.plane_count == 1 ? name : fmt::format("rail {} {}", local / switches, name);
  }

  static void add_leg(const Leg& leg, uint32_t choice, Route* route) {
    const Layer& layer = *leg.layer;
    const uint32_t size = layer.chips_per_instance();
    const uint32_t source = leg.source % size;
    const uint32_t target = leg.target % size;
    const LinkId first = layer.first_link + leg.source / size * layer.links_per_instance;
    const bool attached = layer.attach_bytes_per_s != 0;
    if (attached) {
      route->links.push_back(first + layer.network_links() + source);
    }
    const uint32_t from = layer.endpoint(source);
    const uint32_t to = layer.endpoint(target);
    layer.network->add_way(from, to, choice, first + layer.plane(source) * layer.links_per_plane, route);
    if (attached) {
      route->links.push_back(first + layer.network_links() + size + target);
    }
  }

  std::vector<Layer> layers_;
  std::vector<FabricLevel> levels_;
  uint32_t chip_count_;
  uint32_t link_count_ = 0;
  uint32_t node_count_ = 0;
};

bool has_planes(LevelKind kind) { return kind != LevelKind::switched && kind != LevelKind::fat_tree && kind != LevelKind::dragonfly; }

// Figures by axis; one stands for all.
std::vector<uint64_t> by_axis(const std::vector<Figure>& figures, size_t axis_count) {
  std::vector<uint64_t> values;
  for (size_t axis = 0; axis < axis_count; ++axis) {
    values.push_back(figures[std::min(axis, figures.size() - 1)].value);
  }
  return values;
}

std::unique_ptr<Network> lattice_of(const LevelModel& level) {
  Lattice lattice{.dims = level.dims,
                  .wraps = wraps_of(level),
                  .bytes_per_s = by_axis(level.bytes_per_s, level.dims.size()),
                  .hop_ns = level.hop_ns.value,
                  .is_twisted = is_twisted(level),
                  .block = level.block,
                  .seam_bytes_per_s = level.seam_bytes_per_s ? level.seam_bytes_per_s->value : 0,
                  .bypass = std::nullopt};
  if (level.bypass) {
    lattice.bypass = Bypass{.block = level.bypass->block, .bytes_per_s = level.bypass->bytes_per_s.value, .latency_ns = level.bypass->latency_ns,
                            .hop_count = level.bypass->hop_count};
  }
  return make_lattice(std::move(lattice));
}

// Each tier carries upwards what comes from below, less the oversubscription. Null: more ways than a fabric may have links.
std::unique_ptr<Network> tree_of(const LevelModel& level, uint32_t endpoint_count, uint32_t rail_count) {
  const uint64_t endpoint_bytes_per_s = level.bytes_per_s.front().value;
  FatTree tree{.endpoint_count = endpoint_count,
               .down = level.down,
               .up = {1},
               .bytes_per_s = {endpoint_bytes_per_s},
               .hop_ns = level.hop_ns.value,
               .rail_count = level.has_rails ? rail_count : 1};
  uint64_t width = 1;
  for (size_t tier = 1; tier < level.down.size(); ++tier) {
    const uint64_t ratio = level.oversubscription_per_mille.empty() ? 1'000 : level.oversubscription_per_mille[tier - 1];
    // In double, which has no overflow; the products of whole numbers up to 2^53 are exact.
    const double bytes_per_s = static_cast<double>(tree.bytes_per_s.back()) * level.down[tier - 1] * 1'000 / static_cast<double>(ratio);
    const double links = level.up.empty() ? bytes_per_s / static_cast<double>(endpoint_bytes_per_s) : level.up[tier - 1];
    width = static_cast<uint64_t>(std::min(static_cast<double>(width) * std::max(links, 1.0), double{kMostLinks} + 1));
    if (width > kMostLinks) {
      return nullptr;
    }
    tree.up.push_back(static_cast<uint32_t>(std::max(links, 1.0)));
    tree.bytes_per_s.push_back(static_cast<uint64_t>(std::clamp(bytes_per_s / tree.up.back(), 1.0, 1e18)));
  }
  return make_fat_tree(std::move(tree));
}

std::unique_ptr<Network> dragonfly_of(const LevelModel& level, uint32_t endpoint_count, uint32_t adapters) {
  const uint64_t bytes_per_s = level.bytes_per_s.front().value;
  const uint64_t endpoints_per_group = uint64_t{level.units_per_group} * adapters;
  uint64_t global_bytes_per_s = bytes_per_s;
  if (level.taper_per_mille != 0 && level.most_groups > 1) {
    const double links = static_cast<double>(level.most_groups - 1) * level.links_per_pair;
    const double all = static_cast<double>(bytes_per_s) * static_cast<double>(endpoints_per_group) * 1'000 / level.taper_per_mille;
    global_bytes_per_s = static_cast<uint64_t>(std::max(all / links, 1.0));
  }
  return make_dragonfly({.endpoint_count = endpoint_count,
                         .endpoints_per_switch = static_cast<uint32_t>(endpoints_per_group / level.switches_per_group),
                         .switches_per_group = level.switches_per_group,
                         .links_per_pair = level.links_per_pair,
                         .bytes_per_s = bytes_per_s,
                         .local_bytes_per_s = bytes_per_s,
                         .global_bytes_per_s = global_bytes_per_s,
                         .hop_ns = level.hop_ns.value});
}

std::unique_ptr<Network> network_of(const LevelModel& level, const Layer& layer) {
  const LinkFigures figures{.bytes_per_s = level.bytes_per_s.front().value, .hop_ns = level.hop_ns.value};
  const uint32_t adapters = layer.unit_count * layer.adapters_per_unit;
  if (layer.unit_count == 1) {
    return make_full_mesh(1, figures);  // nothing to join
  }
  switch (level.kind) {
    case LevelKind::full_mesh:
      return make_full_mesh(layer.unit_count, figures);
    case LevelKind::rails:
      return make_switch(layer.unit_count, figures);
    case LevelKind::switched:
      return make_switch(adapters, figures);
    case LevelKind::ring:
    case LevelKind::torus:
    case LevelKind::mesh:
      return lattice_of(level);
    case LevelKind::fat_tree:
      return tree_of(level, adapters, layer.adapters_per_unit);
    case LevelKind::dragonfly:
      return dragonfly_of(level, adapters, layer.adapters_per_unit);
  }
  return nullptr;
}

std::vector<uint32_t> parts_of(const LevelModel& level, const Layer& layer) {
  std::vector<uint32_t> parts;
  if (level.kind == LevelKind::dragonfly) {
    parts.push_back(level.units_per_group);
  } else if (level.kind == LevelKind::fat_tree && !level.down.empty()) {
    const uint64_t endpoints_per_unit = level.has_rails ? 1 : layer.adapters_per_unit;
    uint64_t units = level.down.front() % endpoints_per_unit == 0 ? level.down.front() / endpoints_per_unit : 0;
    for (size_t tier = 0; tier < level.down.size() && units != 0 && units < layer.unit_count; ++tier) {
      parts.push_back(static_cast<uint32_t>(units));
      units *= tier + 1 < level.down.size() ? level.down[tier + 1] : layer.unit_count;
    }
  }
  std::erase_if(parts, [&](uint32_t units) { return units < 2 || units >= layer.unit_count; });
  return parts;
}

FabricLevel describe(const LevelModel& level, const Layer& layer) {
  const std::vector<uint64_t> speeds = by_axis(level.bytes_per_s, level.dims.size());
  const bool is_lattice = level.kind == LevelKind::ring || level.kind == LevelKind::torus || level.kind == LevelKind::mesh;
  return {.name = level.name,
          .kind = level.kind,
          .unit_count = layer.unit_count,
          .chips_per_unit = layer.chips_per_unit,
          .dims = level.dims,
          .wraps = is_lattice ? wraps_of(level) : std::vector<bool>{false},
          .is_twisted = is_twisted(level),
          .block = level.bypass ? level.bypass->block : std::vector<uint32_t>{},
          .bytes_per_s = *std::max_element(speeds.begin(), speeds.end()),
          .port_count = level.port_count,
          .parts = parts_of(level, layer),
          .reduction_per_mille = level.reduction ? level.reduction->efficiency_per_mille : 0,
          .reduction_ns = level.reduction ? level.reduction->latency_ns : 0,
          .reduces_to_all = level.reduction && level.reduction->is_to_all,
          .multicast_per_mille = level.multicast ? level.multicast->efficiency_per_mille : 0};
}

// What the chips inside cannot change: everything but where the level's links and nodes begin.
Layer layer_of(const LevelModel& level, uint64_t chips_per_unit) {
  Layer layer;
  layer.unit_count = static_cast<uint32_t>(unit_count(level));
  layer.chips_per_unit = static_cast<uint32_t>(chips_per_unit);
  layer.adapters_per_unit = adapters_of(level, chips_per_unit);
  layer.plane_count = has_planes(level.kind) ? layer.adapters_per_unit : 1;
  layer.network = network_of(level, layer);
  const std::vector<uint64_t> speeds = by_axis(level.bytes_per_s, level.dims.size());
  const uint64_t fastest = *std::max_element(speeds.begin(), speeds.end());
  if (layer.unit_count > 1 && (level.port_count != 0 || layer.adapters_per_unit < layer.chips_per_unit)) {
    layer.attach_bytes_per_s = std::min<uint64_t>(fastest, UINT64_MAX / kMostChips) * std::max(level.port_count, 1u);
  }
  for (const ProtocolModel& protocol : level.protocols) {
    layer.protocols.push_back(protocol.protocol);
  }
  return layer;
}

}  // namespace

Result<std::shared_ptr<const Fabric>> make_fabric(const Model& model) {
  if (model.chip_count() > kMostChips) {
    return tl::make_unexpected(invalid_argument("{}: more than {} chips", model.name, kMostChips));
  }
  const uint64_t chips = model.chip_count();
  std::vector<Layer> layers;
  std::vector<FabricLevel> levels;
  uint64_t inside = 1;
  uint64_t link_count = 0;
  uint64_t node_count = chips;
  for (const LevelModel& level : model.levels) {
    if (const auto complaint = complaint_about(level, inside)) {
      return tl::make_unexpected(invalid_argument("{}: level \"{}\": {}: {}", model.name, level.name, complaint->key, complaint->text));
    }
    Layer layer = layer_of(level, inside);
    inside *= layer.unit_count;
    const uint64_t instances = chips / inside;
    const bool fits = layer.network != nullptr && layer.network->link_count() <= kMostLinks && layer.network->switch_count() <= kMostLinks;
    const uint64_t attach = layer.attach_bytes_per_s == 0 ? 0 : 2 * inside;
    const uint64_t links = fits ? layer.plane_count * layer.network->link_count() + attach : kMostLinks;
    const uint64_t nodes = fits ? layer.endpoints() + layer.plane_count * layer.network->switch_count() : 0;
    layer.first_link = static_cast<uint32_t>(link_count);
    layer.first_node = static_cast<uint32_t>(node_count);
    link_count += links * instances;
    node_count += nodes * instances;
    if (!fits || link_count > kMostLinks || node_count > kMostLinks) {
      return tl::make_unexpected(invalid_argument("{}: level \"{}\" has more than {} links", model.name, level.name, kMostLinks));
    }
    layer.links_per_plane = static_cast<uint32_t>(layer.network->link_count());
    layer.links_per_instance = static_cast<uint32_t>(links);
    layer.nodes_per_instance = static_cast<uint32_t>(nodes);
    levels.push_back(describe(level, layer));
    layers.push_back(std::move(layer));
  }
  return std::make_shared<const NestedFabric>(std::move(layers), std::move(levels));
}

}  // namespace tutti::topology
