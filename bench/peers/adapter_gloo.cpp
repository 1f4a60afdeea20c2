// SPDX-License-Identifier: Apache-2.0
// Gloo over TCP, its only transport between processes here; ranks meet in a folder. RANK, WORLD_SIZE and, for ranks on several hosts, PEERS_ADDRESS
// come from bench/peers/run.
#include <gloo/allgather.h>
#include <gloo/allreduce.h>
#include <gloo/alltoall.h>
#include <gloo/barrier.h>
#include <gloo/broadcast.h>
#include <gloo/math.h>
#include <gloo/reduce.h>
#include <gloo/rendezvous/context.h>
#include <gloo/rendezvous/file_store.h>
#include <gloo/transport/tcp/device.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <string>
#include <vector>

#include "adapter.h"

namespace {

std::shared_ptr<gloo::Context> context;
// Whole sums of which a reduce-scatter keeps a block.
std::vector<float> sums;
constexpr std::chrono::seconds kTimeout{120};

template <typename Function>
int guarded(const char* operation, Function function) {
  try {
    function();
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "gloo: %s: %s\n", operation, error.what());
    return 1;
  }
}

void sum(void* result, const void* left, const void* right, size_t count) { gloo::sum<float>(result, left, right, count); }

void all_reduce(float* input, float* output, size_t count) {
  gloo::AllreduceOptions options(context);
  options.setInput(input, count);
  options.setOutput(output, count);
  options.setReduceFunction(static_cast<gloo::AllreduceOptions::Func>(&sum));
  gloo::allreduce(options);
}

void run(const PeerCall& call) {
  float* const send = const_cast<float*>(call.send);
  const size_t block = call.count / static_cast<size_t>(context->size);
  switch (call.collective) {
    case kPeerAllReduce:
      all_reduce(send, call.receive, call.count);
      return;
    case kPeerAllGather: {
      gloo::AllgatherOptions options(context);
      options.setInput(send, block);
      options.setOutput(call.receive, call.count);
      gloo::allgather(options);
      return;
    }
    // Gloo's own reduce-scatter works in place and overwrites what it may still be sending: values were wrong. So it is done as PyTorch does.
    case kPeerReduceScatter:
      all_reduce(send, sums.data(), call.count);
      std::copy_n(sums.data() + static_cast<size_t>(context->rank) * block, block, call.receive);
      return;
    case kPeerBroadcast: {
      gloo::BroadcastOptions options(context);
      options.setOutput(call.receive, call.count);
      options.setRoot(0);
      gloo::broadcast(options);
      return;
    }
    case kPeerAllToAll: {
      gloo::AlltoallOptions options(context);
      options.setInput(send, call.count);
      options.setOutput(call.receive, call.count);
      gloo::alltoall(options);
      return;
    }
    case kPeerReduce: {
      gloo::ReduceOptions options(context);
      options.setInput(send, call.count);
      options.setOutput(call.receive, call.count);
      options.setRoot(0);
      options.setReduceFunction(static_cast<gloo::ReduceOptions::Func>(&sum));
      gloo::reduce(options);
      return;
    }
    case kPeerBarrier: {
      gloo::BarrierOptions options(context);
      gloo::barrier(options);
      return;
    }
    case kPeerCollectiveCount:
      break;
  }
}

}  // namespace

int peer_begin(PeerWorld* world, int*, char***) {
  const char* const rank = std::getenv("RANK");
  const char* const rank_count = std::getenv("WORLD_SIZE");
  if (rank == nullptr || rank_count == nullptr) {
    std::fprintf(stderr, "gloo: RANK and WORLD_SIZE are not set\n");
    return 1;
  }
  world->rank = std::atoi(rank);
  world->rank_count = std::atoi(rank_count);
  return guarded("rendezvous", [world] {
    const char* const address = std::getenv("PEERS_ADDRESS");
    gloo::transport::tcp::attr where(address != nullptr ? address : "127.0.0.1");
    auto device = gloo::transport::tcp::CreateDevice(where);
    gloo::rendezvous::FileStore store(world->folder);
    auto joined = std::make_shared<gloo::rendezvous::Context>(world->rank, world->rank_count);
    joined->setTimeout(kTimeout);
    joined->connectFullMesh(store, device);
    context = joined;
  });
}

const char* peer_version() { return "Gloo " TUTTI_BENCH_GLOO_VERSION; }

int peer_allocate(size_t, void**) {
  std::fprintf(stderr, "gloo: has no memory of its own\n");
  return 1;
}

int peer_free(void*) { return 1; }

int peer_prepare(const PeerCall* call) {
  if (call->collective != kPeerReduceScatter) return 0;
  return guarded("reduce-scatter", [call] { sums.assign(call->count, 0.0F); });
}

int peer_run(const PeerCall* call) {
  return guarded("collective", [call] { run(*call); });
}

int peer_end() {
  return guarded("end", [] { context.reset(); });
}
