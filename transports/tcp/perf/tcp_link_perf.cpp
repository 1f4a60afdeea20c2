// SPDX-License-Identifier: Apache-2.0
// Ping-pong and stream over one TCP link between two threads of this process, on loopback. Prints a frame's one-way latency and the
// stream's rate, in one direction and in both at once, for a row of sizes. Usage: tcp_link_perf [slice bytes]
#include <fmt/format.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.hpp"
#include "transports/tcp/tcp.hpp"

namespace {

using tutti::transport::Frame;
using tutti::transport::Link;
using tutti::transport::Outcome;
using tutti::transport::Transport;

constexpr uint32_t kChannel = tutti::transport::kFirstCollectiveChannel;

void check(Outcome outcome, const Link& link) {
  if (outcome == Outcome::failed) {
    fmt::print(stderr, "tcp_link_perf: {}\n", link.failure().message());
    std::exit(1);
  }
}

struct End {
  Transport& transport;
  Link& link;

  // Sends `bytes` in frames and waits until they are released.
  void send(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const auto slice = bytes.first(std::min(bytes.size(), link.max_frame_bytes()));
      const Outcome outcome = link.try_send(kChannel, {}, slice);
      check(outcome, link);
      if (outcome == Outcome::done) {
        taken_bytes += slice.size();
        bytes = bytes.subspan(slice.size());
      }
      transport.poll();
    }
    while (link.released_bytes(kChannel) < taken_bytes) {
      transport.poll();
    }
  }

  void receive(std::span<std::byte> bytes) {
    while (!bytes.empty()) {
      Frame frame;
      const Outcome outcome = link.peek(kChannel, bytes, &frame);
      check(outcome, link);
      if (outcome == Outcome::done) {
        if (frame.payload.data() != bytes.data()) {
          std::memcpy(bytes.data(), frame.payload.data(), frame.payload.size());
        }
        bytes = bytes.subspan(frame.payload.size());
        link.pop(kChannel);
      }
      transport.poll();
    }
  }

  // Sends and receives at the same time.
  void exchange(std::span<const std::byte> outgoing, std::span<std::byte> incoming) {
    while (!outgoing.empty() || !incoming.empty()) {
      const auto slice = outgoing.first(std::min(outgoing.size(), link.max_frame_bytes()));
      if (!slice.empty() && link.try_send(kChannel, {}, slice) == Outcome::done) {
        taken_bytes += slice.size();
        outgoing = outgoing.subspan(slice.size());
      }
      Frame frame;
      if (!incoming.empty() && link.peek(kChannel, incoming, &frame) == Outcome::done) {
        if (frame.payload.data() != incoming.data()) {
          std::memcpy(incoming.data(), frame.payload.data(), frame.payload.size());
        }
        incoming = incoming.subspan(frame.payload.size());
        link.pop(kChannel);
      }
      check(link.failure().ok() ? Outcome::done : Outcome::failed, link);
      transport.poll();
    }
    while (link.released_bytes(kChannel) < taken_bytes) {
      transport.poll();
    }
  }

  uint64_t taken_bytes = 0;
};

struct World {
  explicit World(const tutti::Settings& settings) {
    for (uint32_t rank = 0; rank < 2; ++rank) {
      auto created = tutti::transports::tcp::type().create({.rank = rank,
                                                            .rank_count = 2,
                                                            .communicator_id = 1,
                                                            .secret = secret,
                                                            .host_id = "here",
                                                            .clock = tutti::monotonic_clock(),
                                                            .settings = settings});
      if (!created) {
        fmt::print(stderr, "tcp_link_perf: {}\n", created.error().message());
        std::exit(1);
      }
      transports.push_back(std::move(*created));
    }
    transports[0]->connect(1, transports[1]->address());
    transports[1]->connect(0, transports[0]->address());
    while (transports[0]->link(1) == nullptr || transports[1]->link(0) == nullptr) {
      transports[0]->poll();
      transports[1]->poll();
    }
  }

  End end(uint32_t rank) { return {*transports[rank], *transports[rank]->link(1 - rank)}; }

  tutti::transport::Secret secret{};
  std::vector<std::unique_ptr<Transport>> transports;
};

double seconds_of(auto&& work) {
  const uint64_t begin_ns = tutti::monotonic_clock().now_ns();
  work();
  return static_cast<double>(tutti::monotonic_clock().now_ns() - begin_ns) * 1e-9;
}

// Microseconds one way.
double ping_pong(World& world, size_t size_bytes, int iterations) {
  std::thread other([&] {
    End end = world.end(1);
    std::vector<std::byte> buffer(size_bytes);
    for (int iteration = 0; iteration < iterations; ++iteration) {
      end.receive(buffer);
      end.send(buffer);
    }
  });
  End end = world.end(0);
  end.taken_bytes = end.link.released_bytes(kChannel);
  std::vector<std::byte> buffer(size_bytes);
  const double seconds = seconds_of([&] {
    for (int iteration = 0; iteration < iterations; ++iteration) {
      end.send(buffer);
      end.receive(buffer);
    }
  });
  other.join();
  return seconds * 1e6 / iterations / 2;
}

double stream(World& world, size_t size_bytes, int iterations) {
  std::thread other([&] {
    End end = world.end(1);
    end.taken_bytes = end.link.released_bytes(kChannel);
    std::vector<std::byte> buffer(size_bytes);
    std::byte acknowledgement{};
    for (int iteration = 0; iteration < iterations; ++iteration) {
      end.receive(buffer);
    }
    end.send({&acknowledgement, 1});
  });
  End end = world.end(0);
  end.taken_bytes = end.link.released_bytes(kChannel);
  std::vector<std::byte> buffer(size_bytes);
  const double seconds = seconds_of([&] {
    for (int iteration = 0; iteration < iterations; ++iteration) {
      end.send(buffer);
    }
    std::byte acknowledgement{};
    end.receive({&acknowledgement, 1});
  });
  other.join();
  return static_cast<double>(size_bytes) * iterations / seconds * 1e-9;
}

// Both directions at once; the rate of one.
double duplex(World& world, size_t size_bytes, int iterations) {
  const auto run = [&](uint32_t rank) {
    End end = world.end(rank);
    end.taken_bytes = end.link.released_bytes(kChannel);
    std::vector<std::byte> outgoing(size_bytes);
    std::vector<std::byte> incoming(size_bytes);
    for (int iteration = 0; iteration < iterations; ++iteration) {
      end.exchange(outgoing, incoming);
    }
  };
  std::thread other(run, 1);
  const double seconds = seconds_of([&] { run(0); });
  other.join();
  return static_cast<double>(size_bytes) * iterations / seconds * 1e-9;
}

}  // namespace

int main(int argument_count, char** arguments) {
  tutti::Settings settings;
  if (argument_count > 1) {
    settings.slice_bytes = std::strtoull(arguments[1], nullptr, 10);
  }
  World world(settings);
  fmt::print("{}, frames of at most {} bytes\n", world.end(0).link.describe(), world.end(0).link.max_frame_bytes());
  fmt::print("{:>12} {:>14} {:>14} {:>14}\n", "bytes", "one way us", "stream GB/s", "duplex GB/s");
  for (size_t size_bytes = 8; size_bytes <= 64u << 20; size_bytes *= 8) {
    const int iterations = static_cast<int>(std::clamp<size_t>((256u << 20) / size_bytes, 8, 20'000));
    ping_pong(world, size_bytes, iterations / 4);
    const double one_way_us = ping_pong(world, size_bytes, iterations);
    fmt::print("{:>12} {:>14.2f} {:>14.3f} {:>14.3f}\n", size_bytes, one_way_us, stream(world, size_bytes, iterations),
               duplex(world, size_bytes, iterations));
  }
  return 0;
}
