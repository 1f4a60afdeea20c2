// SPDX-License-Identifier: Apache-2.0
// A machine model for people and for programs.
#pragma once

#include <string>

#include "topology/fabric.hpp"
#include "topology/model.hpp"

namespace tutti::tool {

// Both as made from each other.
struct Machine {
  const topology::Model& model;
  const topology::Fabric& fabric;
};

// Levels from the outside in, one below the other, with their figures; several lines.
std::string tree_text(const Machine& machine);
// Everything the file says and the fabric's numbers, for each figure where it comes from.
std::string json_text(const Machine& machine);
// A drawing of each level's structure, outermost first.
std::string svg_text(const Machine& machine);

// "torus 4x4x8, twisted", "fat tree with rails of 128 units"
std::string structure_text(const topology::LevelModel& level, const topology::FabricLevel& shape);
// "128 units of 8 GPUs", "8 GPUs"
std::string units_text(const Machine& machine, size_t level);
// "47 GB/s of 50 GB/s a link, 300 ns a hop"
std::string figures_text(const topology::LevelModel& level);
// "8,960"
std::string grouped(uint64_t number);
// "1 chip", "8 chips"
std::string counted(uint64_t number, const std::string& noun);

}  // namespace tutti::tool
