// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "model_text.hpp"

namespace tutti::tool {
namespace {

using Json = nlohmann::ordered_json;

Json cited(Json value, const topology::Citation& citation) {
  value["source"] = citation.source;
  value["confidence"] = topology::name_of(citation.confidence);
  return value;
}

Json figures(const std::vector<topology::Figure>& all) {
  Json list = Json::array();
  for (const topology::Figure& figure : all) {
    list.push_back(cited({{"bytes_per_s", figure.value}}, figure.citation));
  }
  return list;
}

Json protocols(const topology::LevelModel& level) {
  Json list = Json::array();
  for (const topology::ProtocolModel& each : level.protocols) {
    Json entry = cited({{"name", each.protocol.name}, {"base_ns", each.protocol.base_ns}, {"step_ns", each.protocol.step_ns}}, each.citation);
    entry["efficiency"] = cited({{"per_mille", each.protocol.efficiency_per_mille}}, each.efficiency_citation);
    list.push_back(std::move(entry));
  }
  return list;
}

Json in_fabric(const std::optional<topology::InFabric>& ability) {
  if (!ability) {
    return nullptr;
  }
  return cited({{"efficiency_per_mille", ability->efficiency_per_mille}, {"latency_ns", ability->latency_ns}, {"to_all", ability->is_to_all}},
               ability->citation);
}

Json level_json(const topology::LevelModel& level, const topology::FabricLevel& made) {
  Json json = cited({{"name", level.name}, {"kind", topology::name_of(level.kind)}}, level.citation);
  json["unit_count"] = made.unit_count;
  json["chips_per_unit"] = made.chips_per_unit;
  json["adapters_per_unit"] = topology::adapters_of(level, made.chips_per_unit);
  json["dims"] = made.dims;
  json["wraps"] = made.wraps;
  json["twisted"] = made.is_twisted;
  json["fixed"] = level.is_fixed;
  json["raw"] = figures(level.raw_bytes_per_s);
  json["effective"] = figures(level.bytes_per_s);
  json["hop_latency"] = cited({{"ns", level.hop_ns.value}}, level.hop_ns.citation);
  json["protocols"] = protocols(level);
  json["ports_at_once"] = level.port_count == 0 ? Json(nullptr) : Json(level.port_count);
  json["reduction"] = in_fabric(level.reduction);
  json["multicast"] = in_fabric(level.multicast);
  if (level.kind == topology::LevelKind::fat_tree) {
    json["down"] = level.down;
    json["oversubscription_per_mille"] = level.oversubscription_per_mille;
    json["rails"] = level.has_rails;
  }
  if (level.kind == topology::LevelKind::dragonfly) {
    json["units_per_group"] = level.units_per_group;
    json["switches_per_group"] = level.switches_per_group;
    json["links_per_pair"] = level.links_per_pair;
  }
  return json;
}

}  // namespace

std::string json_text(const Machine& machine) {
  Json json = {{"name", machine.model.name},
               {"title", machine.model.title},
               {"chip", machine.model.chip},
               {"shape", machine.model.shape()},
               {"chip_count", machine.fabric.chip_count()},
               {"link_count", machine.fabric.link_count()},
               {"node_count", machine.fabric.node_count()}};
  json["shapes"] = Json::object();
  for (const topology::NamedShape& shape : machine.model.shapes) {
    json["shapes"][shape.name] = shape.shape;
  }
  json["levels"] = Json::array();  // innermost first
  for (size_t index = 0; index < machine.model.levels.size(); ++index) {
    json["levels"].push_back(level_json(machine.model.levels[index], machine.fabric.levels()[index]));
  }
  // What is not UTF-8 cannot be here: the reader refuses it.
  return json.dump(2) + "\n";
}

}  // namespace tutti::tool
