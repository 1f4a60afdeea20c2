// SPDX-License-Identifier: Apache-2.0
#include "algorithms/forest/timetable.hpp"

#include <algorithm>
#include <queue>
#include <tuple>

#include "algorithms/forest/place.hpp"

namespace tutti::algorithms::forest {
namespace {

// What a chunk takes on a link that has room for one tree.
constexpr uint64_t kLongest = uint64_t{1} << 32;
// A latency is taken to be that part of what a chunk takes: an order that counted on none would have links wait for what is late.
constexpr uint64_t kChunksOfLatency = 8;

uint64_t end_of(const std::vector<Passage>& down) {
  uint64_t last = 0;
  for (const Passage& passage : down) {
    last = std::max(last, passage.end);
  }
  return last;
}

// Each link takes the first of what is there; of what is there at once the earlier piece, and of these what has further to go.
class Dispatcher {
 public:
  Dispatcher(const Packing& packing, uint32_t pieces)
      : packing_(packing), pieces_(pieces), chip_count_(static_cast<uint32_t>(packing.trees.front().parents.size())), free_at_(packing.rooms.size()) {}

  Timetable run() {
    Timetable table{.parts = 1, .down = {}, .up = {}};
    set_up(&table);
    while (!waiting_.empty()) {
      Task task = waiting_.top();
      waiting_.pop();
      uint64_t& free_at = free_at_[link_of(task)];
      if (task.begin < free_at) {
        task.begin = free_at;
        waiting_.push(task);
        continue;
      }
      const uint64_t end = task.begin + length_of(task);
      free_at = end;
      table.down.push_back({task.chunk, trees_[task.tree]->root, task.source, task.target, task.begin, end});
      add_beyond(task, end);
    }
    table.up = backwards(table.down);
    return table;
  }

 private:
  struct Task {
    uint64_t begin = 0;
    uint32_t piece = 0;
    uint32_t further = 0;  // links to the farthest chip beyond
    uint32_t tree = 0;     // into trees_
    uint32_t chunk = 0;
    uint32_t source = 0;
    uint32_t target = 0;
  };
  struct ComesLater {
    bool operator()(const Task& left, const Task& right) const {
      return std::tie(left.begin, left.piece, right.further, left.chunk, left.target) >
             std::tie(right.begin, right.piece, left.further, right.chunk, right.target);
    }
  };

  size_t link_of(const Task& task) const { return size_t{task.source} * chip_count_ + task.target; }
  uint64_t length_of(const Task& task) const { return kLongest / packing_.rooms[link_of(task)]; }

  void set_up(Timetable* table) {
    uint32_t chunks_of_root = 0;
    uint32_t next = 0;
    for (const Tree& tree : packing_.trees) {
      const bool is_first = trees_.empty() || trees_.back()->root != tree.root;
      chunks_of_root = is_first ? 0 : chunks_of_root;
      for (uint64_t alike = 0; alike < tree.count; ++alike) {
        trees_.push_back(&tree);
        further_.push_back(heights_of(tree));
        for (uint32_t piece = 0; piece < pieces_; ++piece) {
          add_links({.begin = 0, .piece = piece, .tree = static_cast<uint32_t>(trees_.size() - 1), .chunk = next++, .target = tree.root}, 0, 0);
          ++chunks_of_root;
        }
      }
    }
    table->parts = chunks_of_root;
  }

  // The chunk can be sent on from when it begins to come, and a latency later; on a faster link so late that it does not run dry.
  void add_beyond(const Task& task, uint64_t end) {
    const uint64_t latency = length_of(task) / kChunksOfLatency;
    add_links(task, task.begin + latency, end + latency);
  }

  void add_links(const Task& before, uint64_t begin, uint64_t end) {
    const Tree& tree = *trees_[before.tree];
    for (uint32_t chip = 0; chip < chip_count_; ++chip) {
      if (tree.parents[chip] != before.target) {
        continue;
      }
      Task task = before;
      task.source = before.target;
      task.target = chip;
      task.further = further_[before.tree][chip];
      const uint64_t length = length_of(task);
      task.begin = std::max(begin, end > length ? end - length : 0);
      waiting_.push(task);
    }
  }

  // Of messages that begin at one time, those come first that others need: farther from the root.
  std::vector<Passage> backwards(const std::vector<Passage>& down) const {
    const uint64_t last = end_of(down);
    std::vector<Passage> up;
    for (auto passage = down.rbegin(); passage != down.rend(); ++passage) {
      up.push_back({passage->chunk, passage->root, passage->target, passage->source, last - passage->end, last - passage->begin});
    }
    std::stable_sort(up.begin(), up.end(), [](const Passage& left, const Passage& right) { return left.begin < right.begin; });
    return up;
  }

  const Packing& packing_;
  uint32_t pieces_;
  uint32_t chip_count_;
  std::vector<uint64_t> free_at_;  // by link
  std::vector<const Tree*> trees_;  // each as often as there are such
  std::vector<std::vector<uint32_t>> further_;
  std::priority_queue<Task, std::vector<Task>, ComesLater> waiting_;
};

}  // namespace

Timetable timetable_of(const Packing& packing, const Pieces& pieces) {
  Timetable table = Dispatcher(packing, 1).run();
  for (uint32_t count = 2; count <= pieces.most && table.down.size() * 2 <= pieces.most_passages; count *= 2) {
    if (end_of(table.down) * 1'000 <= kLongest * (1'000 + pieces.idle_per_mille) * (count / 2)) {
      break;
    }
    table = Dispatcher(packing, count).run();
  }
  return table;
}

}  // namespace tutti::algorithms::forest
