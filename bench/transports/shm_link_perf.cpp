// SPDX-License-Identifier: Apache-2.0
// One shared-memory link between two processes on two cores: latency by ping-pong, bandwidth by a stream, and how fast one reads the other's
// memory. `shm_link_perf [slice_bytes]`.
#include <fmt/format.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "base/clock.hpp"
#include "transport/memfd.hpp"
#include "transport/windows.hpp"
#include "transports/shm/shm.hpp"

namespace {

using namespace tutti;
using transport::Frame;
using transport::Link;
using transport::Outcome;

constexpr uint32_t kChannel = transport::kFirstCollectiveChannel;

[[noreturn]] void die(const std::string& why) {
  fmt::print(stderr, "shm_link_perf: {}\n", why);
  std::exit(1);
}

void pin_to(int core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  if (::sched_setaffinity(0, sizeof(set), &set) != 0) {
    fmt::print(stderr, "shm_link_perf: cannot pin to core {}\n", core);
  }
}

// One of the two ends.
class End {
 public:
  End(uint32_t rank, int exchange, uint64_t slice_bytes) : rank_(rank) {
    settings_.slice_bytes = slice_bytes;
    settings_.peer_memory = true;
    auto made = transports::shm::type().create({rank, 2, 1, secret_, "this", monotonic_clock(), settings_});
    if (!made.has_value()) die(made.error().message());
    transport_ = std::move(*made);
    const std::vector<std::byte> own = transport_->address();
    std::vector<std::byte> theirs(own.size());
    if (::write(exchange, own.data(), own.size()) < 0 || ::read(exchange, theirs.data(), theirs.size()) < 0) die("exchange of addresses");
    transport_->connect(1 - rank, theirs);
    while (transport_->state(1 - rank) == transport::PeerState::connecting) transport_->poll();
    if (transport_->state(1 - rank) != transport::PeerState::connected) die(transport_->reason(1 - rank));
    link_ = transport_->link(1 - rank);
  }

  uint32_t rank() const { return rank_; }
  Link& link() { return *link_; }
  size_t frame_bytes() const { return link_->max_frame_bytes(); }

  bool try_send(std::span<const std::byte> payload) {
    const Outcome outcome = link_->try_send(kChannel, {}, payload);
    if (outcome == Outcome::failed) die(link_->failure().message());
    transport_->poll();
    return outcome == Outcome::done;
  }
  void send(std::span<const std::byte> payload) {
    while (!try_send(payload)) {
    }
  }
  // Calls `use` with the payload if a frame is there.
  template <typename Use>
  bool try_receive(Use use) {
    Frame frame;
    const Outcome outcome = link_->peek(kChannel, {}, &frame);
    if (outcome == Outcome::failed) die(link_->failure().message());
    if (outcome == Outcome::done) {
      use(frame.payload);
      link_->pop(kChannel);
    }
    transport_->poll();
    return outcome == Outcome::done;
  }
  template <typename Use>
  void receive(Use use) {
    while (!try_receive(use)) {
    }
  }
  void meet() {
    if (rank_ == 0) send({});
    receive([](auto) {});
    if (rank_ == 1) send({});
  }

 private:
  uint32_t rank_;
  transport::Secret secret_{};
  Settings settings_;
  std::unique_ptr<transport::Transport> transport_;
  Link* link_ = nullptr;
};

// What many repetitions took: on a machine that others use too, the best one says what the link can do.
struct Times {
  double best_ns;
  double median_ns;
};

Times summarise(std::vector<double> times) {
  std::sort(times.begin(), times.end());
  return {times.front(), times[times.size() / 2]};
}

template <typename Work>
Times repeat(End& end, int repetitions, Work work) {
  std::vector<double> times;
  for (int repetition = 0; repetition < repetitions; ++repetition) {
    end.meet();
    const uint64_t begin_ns = monotonic_clock().now_ns();
    work();
    times.push_back(static_cast<double>(monotonic_clock().now_ns() - begin_ns));
  }
  return summarise(std::move(times));
}

void print_latency(size_t bytes, const Times& times, double per) {
  fmt::print("{:<10} {:>9} B  best {:>9.0f} ns     median {:>9.0f} ns\n", "one way", bytes, times.best_ns / per, times.median_ns / per);
}

void print_bandwidth(std::string_view name, size_t bytes, const Times& times) {
  const auto total = static_cast<double>(bytes);
  fmt::print("{:<10} {:>9} B  best {:>9.2f} GB/s   median {:>9.2f} GB/s\n", name, bytes, total / times.best_ns, total / times.median_ns);
}

// Enough to have a quiet moment among them, not so many that it takes for ever.
int repetitions_for(size_t bytes) { return static_cast<int>(std::clamp<size_t>((size_t{1} << 29) / bytes, 7, 200)); }

void ping_pong(End& end, size_t bytes) {
  constexpr int kRounds = 500;
  constexpr int kRepetitions = 200;
  std::vector<std::byte> payload(bytes);
  std::vector<std::byte> target(bytes);
  const auto copy = [&](std::span<const std::byte> received) { std::memcpy(target.data(), received.data(), received.size()); };
  const Times times = repeat(end, kRepetitions, [&] {
    for (int round = 0; round < kRounds; ++round) {
      if (end.rank() == 0) end.send(payload);
      end.receive(copy);
      if (end.rank() == 1) end.send(payload);
    }
  });
  if (end.rank() == 0) print_latency(bytes, times, 2 * kRounds);
}

enum class Traffic { one_way, both_ways };

// Sends and receives `bytes` in frames, each end as the pipeline lets it; the receiver copies out.
void stream(End& end, size_t bytes, Traffic traffic) {
  std::vector<std::byte> source(bytes);
  std::vector<std::byte> target(bytes);
  const bool sends = traffic == Traffic::both_ways || end.rank() == 0;
  const bool receives = traffic == Traffic::both_ways || end.rank() == 1;
  const Times times = repeat(end, repetitions_for(bytes), [&] {
    size_t sent = sends ? 0 : bytes;
    size_t received = receives ? 0 : bytes;
    while (sent < bytes || received < bytes) {
      if (sent < bytes) {
        const size_t frame_bytes = std::min(end.frame_bytes(), bytes - sent);
        if (end.try_send(std::span(source).subspan(sent, frame_bytes))) sent += frame_bytes;
      }
      if (received < bytes) {
        end.try_receive([&](std::span<const std::byte> payload) {
          std::memcpy(target.data() + received, payload.data(), payload.size());
          received += payload.size();
        });
      }
    }
    // The stream ends when it has arrived.
    if (receives) end.send({});
    if (sends) end.receive([](auto) {});
  });
  if (end.rank() == 0) print_bandwidth(traffic == Traffic::one_way ? "stream" : "exchange", bytes, times);
}

void plain_copy(size_t bytes) {
  std::vector<std::byte> source(bytes, std::byte{1});
  std::vector<std::byte> target(bytes);
  std::vector<double> times;
  for (int repetition = 0; repetition < repetitions_for(bytes); ++repetition) {
    const uint64_t begin_ns = monotonic_clock().now_ns();
    std::memcpy(target.data(), source.data(), bytes);
    times.push_back(static_cast<double>(monotonic_clock().now_ns() - begin_ns));
  }
  print_bandwidth("memcpy", bytes, summarise(std::move(times)));
}

// Loads every word once: what a reduction straight from the peer's memory does at least.
uint64_t sum_of(const std::byte* memory, size_t bytes) {
  uint64_t sum = 0;
  for (size_t offset = 0; offset < bytes; offset += sizeof(uint64_t)) {
    uint64_t word = 0;
    std::memcpy(&word, memory + offset, sizeof(word));
    sum += word;
  }
  return sum;
}

// Rank 1 works in `memory` of rank 0, whose bytes are all 1.
template <typename Work>
void in_peers_memory(End& end, std::span<const std::byte> memory, Work work) {
  if (end.rank() == 0) {
    const transport::MemoryAddress address = end.link().publish(memory);
    end.send(std::as_bytes(std::span(&address, 1)));
    end.receive([](auto) {});
    return;
  }
  transport::MemoryAddress address;
  end.receive([&](std::span<const std::byte> payload) { std::memcpy(&address, payload.data(), sizeof(address)); });
  work(address);
  end.send({});
}

template <typename Work>
void print_best_of_many(std::string_view name, size_t bytes, Work work) {
  std::vector<double> times;
  for (int repetition = 0; repetition < repetitions_for(bytes); ++repetition) {
    const uint64_t begin_ns = monotonic_clock().now_ns();
    work();
    times.push_back(static_cast<double>(monotonic_clock().now_ns() - begin_ns));
  }
  print_bandwidth(name, bytes, summarise(std::move(times)));
}

void fetch(End& end, std::string_view name, std::span<const std::byte> memory) {
  in_peers_memory(end, memory, [&](const transport::MemoryAddress& address) {
    std::vector<std::byte> target(memory.size());
    print_best_of_many(name, memory.size(), [&] {
      if (end.link().fetch(address, target) != Outcome::done) die(end.link().failure().message());
    });
  });
}

void load(End& end, std::string_view name, std::span<const std::byte> memory) {
  in_peers_memory(end, memory, [&](const transport::MemoryAddress& address) {
    std::byte* shared = nullptr;
    Outcome outcome = Outcome::would_block;
    while (outcome == Outcome::would_block) outcome = end.link().share(address, memory.size(), &shared);
    if (outcome != Outcome::done || shared == nullptr) die(end.link().failure().message());
    const uint64_t expected = 0x0101010101010101u * (memory.size() / sizeof(uint64_t));
    print_best_of_many(name, memory.size(), [&] {
      if (sum_of(shared, memory.size()) != expected) die("wrong sum");
    });
  });
}

// What fetch() and loads reach on ordinary memory and on a window, which is in huge pages where the kernel has them.
void reach_memory(End& end, size_t bytes) {
  std::vector<std::byte> ordinary(bytes, std::byte{1});
  fetch(end, "fetch", ordinary);
  const Result<std::byte*> window = transport::Windows::instance().allocate(bytes);
  if (!window.has_value()) die(window.error().message());
  std::memset(*window, 1, bytes);
  const std::span<const std::byte> memory(*window, bytes);
  load(end, "load", memory);
  fetch(end, "copy", memory);
  transport::Windows::instance().free(*window);
  end.meet();
}

void measure(uint32_t rank, int exchange, uint64_t slice_bytes) {
  pin_to(static_cast<int>(rank));
  End end(rank, exchange, slice_bytes);
  for (const size_t bytes : {0, 8, 40, 64, 256, 1024, 4096, 16384}) {
    if (bytes <= end.frame_bytes()) ping_pong(end, bytes);
  }
  for (const size_t bytes : {size_t{1} << 16, size_t{1} << 20, size_t{1} << 23, size_t{1} << 26}) {
    stream(end, bytes, Traffic::one_way);
    stream(end, bytes, Traffic::both_ways);
    if (rank == 0) plain_copy(bytes);
    end.meet();
  }
  if (end.link().estimate().reaches_memory) {
    for (const size_t bytes : {size_t{1} << 12, size_t{1} << 16, size_t{1} << 20, size_t{1} << 26}) reach_memory(end, bytes);
  }
}

}  // namespace

int main(int argument_count, char** arguments) {
  const uint64_t slice_bytes = argument_count > 1 ? std::strtoull(arguments[1], nullptr, 10) : 0;
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);  // both ends print
  int exchange[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM, 0, exchange) != 0) die("socketpair");
  const pid_t child = ::fork();
  if (child < 0) die("fork");
  measure(child == 0 ? 1 : 0, exchange[child == 0 ? 1 : 0], slice_bytes);
  int status = 0;
  if (child != 0 && (::waitpid(child, &status, 0) != child || status != 0)) die("the other end failed");
  return 0;
}
