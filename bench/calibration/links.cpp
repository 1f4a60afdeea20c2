// SPDX-License-Identifier: Apache-2.0
#include "links.hpp"

#include <sched.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/settings.hpp"
#include "registry/registry.hpp"
#include "transport/transport.hpp"

namespace tutti::calibrate {
namespace {

using transport::Frame;
using transport::Outcome;
using transport::PeerState;

constexpr uint32_t kChannel = transport::kFirstCollectiveChannel;
constexpr uint64_t kPatience_ns = 5'000'000'000;
// Trips and streams go on for so long, or until there are enough of them.
constexpr uint64_t kMeasured_ns = 200'000'000;
constexpr size_t kMostSamples = 20'000;
// A trip each way is over before a clock is read twice, so that some are one sample.
constexpr int kTripsTogether = 16;
constexpr size_t kStreamBytes = size_t{1} << 20;
// Processes that share a core let each other run.
constexpr int kSpins = 2'000;

[[noreturn]] void die(const std::string& why) {
  std::fprintf(stderr, "calibrate: %s\n", why.c_str());
  std::_Exit(1);
}

// One of the two processes. Whatever goes wrong ends it.
class End {
 public:
  End(const transport::TransportType& type, uint32_t rank, int exchange) : rank_(rank) {
    auto made = type.create({rank, 2, 1, secret_, "this", monotonic_clock(), settings_});
    if (!made) die(made.error().message());
    transport_ = std::move(*made);
    transport_->connect(1 - rank, exchanged(exchange, transport_->address()));
    const uint64_t deadline_ns = monotonic_clock().now_ns() + kPatience_ns;
    while (transport_->state(1 - rank) == PeerState::connecting && monotonic_clock().now_ns() < deadline_ns) transport_->poll();
    if (transport_->state(1 - rank) != PeerState::connected) die(transport_->reason(1 - rank));
    link_ = transport_->link(1 - rank);
  }

  uint32_t rank() const { return rank_; }
  size_t frame_bytes() const { return link_->max_frame_bytes(); }

  void send(std::span<const std::byte> payload) {
    const uint64_t released = link_->released_bytes(kChannel);
    wait([&] { return succeeded(link_->try_send(kChannel, {0, payload.size()}, payload)); });
    if (!payload.empty()) wait([&] { return link_->released_bytes(kChannel) >= released + payload.size(); });
  }
  // In frames, as a step of a schedule does.
  void send_stream(std::span<const std::byte> payload) {
    const uint64_t before = link_->released_bytes(kChannel);
    for (size_t sent = 0; sent < payload.size();) {
      const auto frame = payload.subspan(sent, std::min(frame_bytes(), payload.size() - sent));
      wait([&] { return succeeded(link_->try_send(kChannel, {0, payload.size()}, frame)); });
      sent += frame.size();
    }
    wait([&] { return link_->released_bytes(kChannel) >= before + payload.size(); });
  }
  void receive(std::span<std::byte> target) {
    for (size_t received = 0; received < target.size();) {
      Frame frame;
      wait([&] { return succeeded(link_->peek(kChannel, target.subspan(received), &frame)); });
      const size_t size = std::min(frame.payload.size(), target.size() - received);
      if (frame.payload.data() != target.data() + received) std::memcpy(target.data() + received, frame.payload.data(), size);
      link_->pop(kChannel);
      received += size;
    }
  }

 private:
  static std::vector<std::byte> exchanged(int exchange, const std::vector<std::byte>& own) {
    const uint64_t size = own.size();
    uint64_t other = 0;
    if (::write(exchange, &size, sizeof size) != sizeof size || ::read(exchange, &other, sizeof other) != sizeof other) die("exchange of addresses");
    std::vector<std::byte> theirs(other);
    if (::write(exchange, own.data(), size) != static_cast<ssize_t>(size)) die("exchange of addresses");
    for (size_t done = 0; done < other;) {
      const ssize_t count = ::read(exchange, theirs.data() + done, other - done);
      if (count <= 0) die("exchange of addresses");
      done += static_cast<size_t>(count);
    }
    return theirs;
  }
  bool succeeded(Outcome outcome) {
    if (outcome == Outcome::failed) die(link_->failure().message());
    return outcome == Outcome::done;
  }
  template <typename Ready>
  void wait(Ready ready) {
    for (int spins = 0; !ready(); ++spins) {
      transport_->poll();
      if (spins > kSpins) ::sched_yield();
    }
  }

  uint32_t rank_;
  transport::Secret secret_{};
  Settings settings_;
  std::unique_ptr<transport::Transport> transport_;
  transport::Link* link_ = nullptr;
};

double lower_quartile(std::vector<double>& samples) {
  const auto quartile = samples.begin() + static_cast<ptrdiff_t>(samples.size() / 4);
  std::nth_element(samples.begin(), quartile, samples.end());
  return *quartile;
}

// The lower quartile of the times of `sample`, since other processes only ever make it take longer. Both ends run it until the first says that it is
// enough.
template <typename Sample>
double repeated_ns(End& end, Sample sample) {
  std::vector<double> times;
  const uint64_t begin_ns = monotonic_clock().now_ns();
  std::array<std::byte, 8> more{std::byte{1}};
  while (more[0] != std::byte{0}) {
    const uint64_t before_ns = monotonic_clock().now_ns();
    sample();
    const uint64_t after_ns = monotonic_clock().now_ns();
    times.push_back(static_cast<double>(after_ns - before_ns));
    if (end.rank() == 0) {
      more[0] = std::byte{after_ns - begin_ns < kMeasured_ns && times.size() < kMostSamples};
      end.send(more);
    } else {
      end.receive(more);
    }
  }
  return lower_quartile(times);
}

comm::MeasuredLink measure(End& end, std::string_view name) {
  std::array<std::byte, 8> word{};
  const double trips_ns = repeated_ns(end, [&] {
    for (int trip = 0; trip < kTripsTogether; ++trip) {
      if (end.rank() == 0) end.send(word);
      end.receive(word);
      if (end.rank() == 1) end.send(word);
    }
  });
  std::vector<std::byte> stream(kStreamBytes, std::byte{1});
  const double stream_ns = repeated_ns(end, [&] {
    if (end.rank() == 0) {
      end.send_stream(stream);
      end.receive(word);
    } else {
      end.receive(stream);
      end.send(word);
    }
  });
  const double one_way_ns = std::max(trips_ns / (2 * kTripsTogether), 1.0);
  const double bytes_ns = std::max(stream_ns - 2 * one_way_ns, 1.0);
  return {.transport = std::string(name),
          .latency_ns = static_cast<uint64_t>(one_way_ns),
          .bandwidth_bytes_per_s = static_cast<uint64_t>(static_cast<double>(kStreamBytes) * 1e9 / bytes_ns)};
}

// The first two processors that this process may use; none if there are fewer.
std::optional<std::array<size_t, 2>> two_processors() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (::sched_getaffinity(0, sizeof allowed, &allowed) != 0) return std::nullopt;
  std::vector<size_t> processors;
  for (size_t processor = 0; processor < CPU_SETSIZE && processors.size() < 2; ++processor) {
    if (CPU_ISSET(processor, &allowed)) processors.push_back(processor);
  }
  return processors.size() == 2 ? std::optional(std::array{processors[0], processors[1]}) : std::nullopt;
}

void pin_to(size_t processor) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(processor, &set);
  ::sched_setaffinity(0, sizeof set, &set);  // without it, figures are less steady
}

// In two processes of their own, so that nothing of a transport outlives its measurement. Nothing if they fail, which they have said.
std::optional<comm::MeasuredLink> measure_apart(const transport::TransportType& type, const std::array<size_t, 2>& processors) {
  using Result = std::pair<uint64_t, uint64_t>;
  auto* const result = static_cast<Result*>(::mmap(nullptr, sizeof(Result), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  int exchange[2];
  if (result == MAP_FAILED || ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, exchange) != 0) die("socketpair");
  std::array<pid_t, 2> processes{};
  for (uint32_t rank = 0; rank < 2; ++rank) {
    processes[rank] = ::fork();
    if (processes[rank] < 0) die("fork");
    if (processes[rank] == 0) {
      ::close(exchange[1 - rank]);
      pin_to(processors[rank]);
      End end(type, rank, exchange[rank]);
      const comm::MeasuredLink link = measure(end, type.name);
      if (rank == 0) *result = {link.latency_ns, link.bandwidth_bytes_per_s};
      char word = 0;  // neither goes while the other is still at work
      if (::write(exchange[rank], &word, 1) != 1 || ::read(exchange[rank], &word, 1) != 1) die("the other process is gone");
      std::_Exit(0);
    }
  }
  ::close(exchange[0]);
  ::close(exchange[1]);
  bool is_good = true;
  for (const pid_t process : processes) {
    int status = 0;
    is_good = ::waitpid(process, &status, 0) == process && status == 0 && is_good;
  }
  const comm::MeasuredLink link{.transport = std::string(type.name), .latency_ns = result->first, .bandwidth_bytes_per_s = result->second};
  ::munmap(result, sizeof(Result));
  return is_good ? std::optional(link) : std::nullopt;
}

}  // namespace

comm::MeasuredLinks measure_links() {
  comm::MeasuredLinks measured;
  const auto processors = two_processors();
  if (!processors) {
    std::fprintf(stderr, "calibrate: two processes on one processor do not show what links do; two processors are needed\n");
    return measured;
  }
  for (const char* const name : {"shm", "tcp"}) {
    for (const auto& type : registry::transport_types()) {
      if (type().name == name) {
        if (auto link = measure_apart(type(), *processors)) measured.links.push_back(std::move(*link));
      }
    }
  }
  return measured;
}

void print_links(const comm::MeasuredLinks& measured) {
  for (const comm::MeasuredLink& link : measured.links) {
    std::printf("%-4s  %8llu ns  %8.2f GB/s\n", link.transport.c_str(), static_cast<unsigned long long>(link.latency_ns),
                static_cast<double>(link.bandwidth_bytes_per_s) / 1e9);
  }
}

}  // namespace tutti::calibrate
