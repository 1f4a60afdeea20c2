// SPDX-License-Identifier: Apache-2.0
// Several circles of all ranks at once, for rings that share a vector among them.
#pragma once

#include <cstdint>
#include <vector>

#include "topology/topology.hpp"

namespace tutti::topology {

// Orders in which every rank stands once, each followed by the first again. Together they use more of the machine than circle_of() does; at most four
// lead from a rank to the same other, where links are that much faster. Empty where no such orders are known. Without a fabric there are none, nor of
// more than 1024 ranks.
//  - Several units of g chips, an even number up to 16, that a switch or links between all of them join: g circles, none entering a unit by the chip by which
//    another does. Each leaves a unit by the chip that stands on the next unit where it enters, so that it stays on its rail; of an odd number of units
//    the last hop changes rails.
//  - One full mesh of p chips, 3 <= p <= 17: for odd p and for 8, p - 1 circles, which use each link once; p - 2 for other even p.
//  - One torus of d axes, 2 or 3, that all wrap, of up to 512 chips: d circles that share no wire, and their reverses (topology/lattice_circles.hpp); of larger
//    ones two on n x kn chips where n - 1 and k have no common divisor.
//  - One other ring or lattice: a circle and its reverse, if it has one.
//  - Up to 16 chips whose units are joined by links from chip to chip: those of topology/link_circles.hpp, if they bring more than rails.
std::vector<std::vector<uint32_t>> circles_of(const Topology& topology);

}  // namespace tutti::topology
