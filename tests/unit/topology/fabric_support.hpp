// SPDX-License-Identifier: Apache-2.0
// What the tests of fabrics share.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "topology/fabric.hpp"
#include "topology/model.hpp"
#include "topology/model_files.hpp"

namespace tutti::topology {

inline std::string models_folder() { return std::string(TUTTI_SOURCE_DIR) + "/topologies"; }

inline Model model_of(const std::string& reference) {
  Result<Model> model = load_model(reference, models_folder());
  EXPECT_TRUE(model) << model.error().message();
  return model.value_or(Model{});
}

inline std::shared_ptr<const Fabric> fabric_of(const std::string& reference) {
  auto fabric = make_fabric(model_of(reference));
  EXPECT_TRUE(fabric) << reference << ": " << (fabric ? "" : fabric.error().message());
  return fabric.value_or(nullptr);
}

// That a way is links one after another from source to target, none twice.
void expect_connected(const Fabric& fabric, uint32_t source, uint32_t target, uint32_t choice);
// That every link has one back, as fast.
void expect_both_directions(const Fabric& fabric);
// Of all links from a chip or switch on one side to one on the other; sides by node.
uint64_t bytes_per_s_across(const Fabric& fabric, const std::vector<bool>& sides);

}  // namespace tutti::topology
