// SPDX-License-Identifier: Apache-2.0
#include "algorithms/direct/direct.hpp"

#include <array>

#include "algorithms/alone.hpp"
#include "algorithms/direct/far_first.hpp"
#include "algorithms/direct/in_switch.hpp"
#include "algorithms/direct/one_shot.hpp"
#include "algorithms/direct/relay_tree.hpp"
#include "algorithms/direct/two_shot.hpp"
#include "algorithms/hosts.hpp"

namespace tutti::algorithms::direct {
namespace {

using schedule::Problem;
using schedule::Schedule;

Schedule one_shot_alone(const Problem& problem, uint32_t rank) { return one_shot(problem, rank, Travel::alone); }

constexpr std::array kAlgorithms = {
    planner::Algorithm{.name = "one_shot",
                       .idea = "everybody sends everybody what they need, at once",
                       .cost = "a + (p-1) nb for vectors, a + (p-1)/p nb for blocks",
                       .source = "Chan, Heimlich, Purkayastha and van de Geijn, CCPE 2007",
                       .applies = applies_anywhere<one_shot_solves>,
                       .build = build_for_any<one_shot_alone>,
                       .pattern = schedule::Pattern::one_shot},
    planner::Algorithm{.name = "two_shot",
                       .idea = "each rank works on its own chunk of everybody's vector, then passes it on",
                       .cost = "2a + 2(p-1)/p nb for allreduce, 2a + nb for reduce and broadcast",
                       .source = "Chan, Heimlich, Purkayastha and van de Geijn, CCPE 2007",
                       .applies = applies_anywhere<two_shot_solves>,
                       .build = build_for_any<two_shot>,
                       .pattern = schedule::Pattern::two_shot,
                       .halves = {"one_shot", "one_shot"}},
    planner::Algorithm{.name = "in_switch",
                       .idea = "as one_shot, allreduce in two halves; the switches reduce and copy what passes",
                       .cost = "allreduce 2a + (1+1/p) nb/e, where switches leave a share e of the bandwidth",
                       .source = "Klenk, Jiang, Thorson and Dennison, ISCA 2020",
                       .applies = in_switch_solves,
                       .build = build_for_any<in_switch>},
    planner::Algorithm{.name = "in_switch_tree",
                       .idea = "everybody sends its vector up the switches' tree, and the sum comes down to all",
                       .cost = "a + nb/e",
                       .source = "Graham and others, SHArP, COM-HPC 2016",
                       .applies = in_switch_tree_solves,
                       .build = build_for_any<in_switch_tree>},
    planner::Algorithm{.name = "far_first",
                       .idea = "as one_shot; what has far to go leaves first, and what stays near while that is on its way",
                       .cost = "the longest, of all latencies, of a and the bytes that go as far or farther",
                       .source = "Jackson, Scheduling a production line to minimize maximum tardiness, 1955",
                       .applies = far_first_solves,
                       .build = far_first,
                       .pattern = schedule::Pattern::far_first},
    planner::Algorithm{.name = "relay_tree",
                       .idea = "a tree: those far off hear from the root first, and others through ranks between, where that costs no time",
                       .cost = "diameter D: D (a + nb) where hops take the time; where messages do, a + (p-1) nb over the root's links",
                       .source = "Dijkstra, A note on two problems in connexion with graphs, 1959",
                       .applies = relay_tree_solves,
                       .build = relay_tree},
};

}  // namespace

std::span<const planner::Algorithm> algorithms() { return kAlgorithms; }

}  // namespace tutti::algorithms::direct
