// SPDX-License-Identifier: Apache-2.0
// Lays machine models over ranks.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "base/status.hpp"
#include "topology/model.hpp"
#include "topology/topology.hpp"

namespace tutti::topology {

// Gives the model the smallest shape it comes in that has `rank_count` chips or more: of several with as many chips the one that it has, then one
// with a name, then that with the most chips in inner levels, though no more than the model has there, and with the shortest axes. Errors:
// tuttiInvalidArgument when every shape is smaller.
Status fit_shape(Model* model, uint32_t rank_count);

// Rank i is chip i of `rank_count`; the rest of the chips idle. There are as many chips.
Topology first_chips(const std::shared_ptr<const Fabric>& fabric, uint32_t rank_count);

// The machine that `reference` (topology/model_files.hpp) names, with a rank for each of its first chips. Errors: as load_model();
// tuttiInvalidArgument when the shape it names has not `rank_count` chips, or, without one, as fit_shape().
Result<Topology> load_topology(std::string_view reference, std::string_view extra, uint32_t rank_count);

// The ranks in a circle, each beside the next where the machine lets them be: around every unit of the innermost level if that is a lattice, unit
// after unit. Otherwise, and where a lattice has no such circle, in their order.
std::vector<uint32_t> circle_of(const Topology& topology);

}  // namespace tutti::topology
