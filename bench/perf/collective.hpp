// SPDX-License-Identifier: Apache-2.0
// What a *_perf program says about its collective: sizes, the call, and what the buffers hold afterwards. collectives/ has them.
#pragma once

#include <tutti/tutti.h>

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <vector>

#include "types.hpp"

namespace tutti::perf {

enum class Place { out_of_place, in_place };

// Elements in each rank's buffers for one size, after nccl-tests: collectives that cut a buffer among the ranks round its count down to
// a multiple of them.
struct Layout {
  size_t send_count = 0;
  size_t receive_count = 0;
  size_t call_count = 0;  // the count argument, as printed
  // In place both buffers are one; within it, a rank's send and receive data begin at its rank times these.
  size_t in_place_send_stride = 0;
  size_t in_place_receive_stride = 0;
};

struct Geometry {
  int rank;
  int rank_count;
  int root;
  Place place;
  Layout layout;
};

struct Call {
  const void* send;
  void* receive;
  Geometry geometry;
  DataType datatype;
  tuttiRedOp_t op;
  tuttiComm_t comm;
  tuttiStream_t stream;
};

// What a stretch of the receive buffer holds after the call.
enum class Content {
  untouched,  // what it held before
  input,      // elements of a rank's send data
  reduction   // the ranks' send data, reduced
};

struct Block {
  size_t first;  // within the receive buffer; in place, within the one buffer
  size_t count;
  Content content;
  int source_rank;      // of input
  size_t source_first;  // element of the send data the block begins with
};

class Collective {
 public:
  virtual ~Collective() = default;

  virtual std::string_view name() const = 0;
  virtual bool reduces() const { return false; }
  virtual bool has_root() const { return false; }
  virtual bool works_in_place() const { return true; }
  virtual bool carries_data() const { return true; }

  // For `count` elements of the size on the command line.
  virtual Layout layout(size_t count, int rank_count) const = 0;
  // The elements whose bytes are the printed size, from which bandwidth is computed.
  virtual size_t size_count(const Layout& layout, int) const { return std::max(layout.send_count, layout.receive_count); }
  // Bus bandwidth over algorithm bandwidth, from nccl-tests' doc/PERFORMANCE.md: what makes it comparable with the speed of a link
  // whatever the number of ranks.
  virtual double bus_factor(int rank_count) const = 0;
  virtual tuttiResult_t enqueue(const Call& call) const = 0;
  // Stretches that are in no block are not checked.
  virtual std::vector<Block> result(const Geometry& geometry) const = 0;
};

// Factors several collectives share.
inline double share_of_peers(int rank_count) { return static_cast<double>(rank_count - 1) / rank_count; }

}  // namespace tutti::perf
