// SPDX-License-Identifier: Apache-2.0
#include "measurements.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <vector>

#include "kernels.hpp"
#include "peers/stopwatch.hpp"

namespace tutti::calibrate {
namespace {

constexpr std::int64_t kBudgetNs = 25'000'000;
constexpr double kLeastSampleNs = 20'000;
constexpr std::size_t kMaxSamples = 400;
constexpr double kRefused = -1;

enum class Workers { one, both };

using Work = std::function<void()>;

double sample(const Work& work, std::uint64_t repetitions, double ns_per_tick) {
  const std::uint64_t begin = peers::ticks();
  for (std::uint64_t i = 0; i < repetitions; ++i) work();
  return static_cast<double>(peers::ticks() - begin) * ns_per_tick / static_cast<double>(repetitions);
}

class Timer {
 public:
  explicit Timer(Duo& duo) : duo_(duo), ns_per_tick_(peers::ns_per_tick()) {}

  // The lower quartile over samples of the greater of both processes' times; both see it. A limit is not to rise because others use the
  // machine too, so the median would be too much.
  double quartile_ns(Workers workers, const Work& work) {
    const bool works = workers == Workers::both || duo_.self == 0;
    const double first_ns = together(works, work, 1);
    const auto repetitions = static_cast<std::uint64_t>(std::clamp(kLeastSampleNs / std::max(first_ns, 1.0), 1.0, 1000.0));
    std::vector<double> samples;
    const double sample_ns = first_ns * static_cast<double>(repetitions);
    const auto count = static_cast<std::size_t>(std::clamp(static_cast<double>(kBudgetNs) / sample_ns, 5.0, static_cast<double>(kMaxSamples)));
    for (std::size_t i = 0; i < count; ++i) samples.push_back(together(works, work, repetitions));
    std::nth_element(samples.begin(), samples.begin() + static_cast<std::ptrdiff_t>(count / 4), samples.end());
    return samples[count / 4];
  }

 private:
  double together(bool works, const Work& work, std::uint64_t repetitions) {
    const auto self = static_cast<std::size_t>(duo_.self);
    duo_.barrier();
    duo_.state->durations_ns[self] = works ? sample(work, repetitions, ns_per_tick_) : 0;
    duo_.barrier();
    const double greatest = std::max(duo_.state->durations_ns[0], duo_.state->durations_ns[1]);
    duo_.barrier();
    return greatest;
  }

  Duo& duo_;
  double ns_per_tick_;
};

class Exchange {
 public:
  explicit Exchange(Duo& duo) : duo_(duo), self_(static_cast<std::size_t>(duo.self)) {}

  void publish() { duo_.state->exchange[self_].word.store(++count_, std::memory_order_release); }
  void wait() { duo_.wait_for(duo_.state->exchange[1 - self_], count_); }
  void both_ways() {
    publish();
    wait();
  }
  // Process 0 speaks first, 1 answers.
  void there_and_back() {
    if (self_ == 0) {
      publish();
      wait();
    } else {
      ++count_;
      wait();
      duo_.state->exchange[self_].word.store(count_, std::memory_order_release);
    }
  }
  std::uint64_t count() const { return count_; }

 private:
  Duo& duo_;
  std::size_t self_;
  std::uint64_t count_ = 0;
};

class Measurements {
 public:
  explicit Measurements(Duo& duo) : duo_(duo), timer_(duo), exchange_(duo), self_(static_cast<std::size_t>(duo.self)), other_(1 - self_) {
    peer_memory_ = reinterpret_cast<float*>(duo.state->private_input[other_]);
    can_read_peer_ = both_can(read_peer(duo_.private_output, 0, 64));
  }

  double line_one_way_ns() {
    return fixed_repetitions([this] { exchange_.there_and_back(); }) / 2;
  }
  double line_exchange_ns() {
    return fixed_repetitions([this] { exchange_.both_ways(); });
  }

  // Both processes must do the same number of exchanges, so repetitions do not depend on a reading.
  double fixed_repetitions(const Work& work) {
    std::vector<double> samples;
    for (int i = 0; i < 51; ++i) {
      duo_.barrier();
      samples.push_back(sample(work, 1000, ns_per_tick_));
    }
    std::sort(samples.begin(), samples.end());
    duo_.barrier();
    duo_.state->durations_ns[self_] = samples[samples.size() / 4];
    duo_.barrier();
    const double greatest = std::max(duo_.state->durations_ns[0], duo_.state->durations_ns[1]);
    duo_.barrier();
    return greatest;
  }

  double small_all_reduce_ns(std::size_t bytes) {
    const std::size_t count = std::max<std::size_t>(16, bytes / sizeof(float));
    const double copied = timer_.quartile_ns(Workers::both, [this, count] { all_reduce_by_copies(count); });
    const double direct = timer_.quartile_ns(Workers::both, [this, count] { all_reduce_direct(count, Stores::plain); });
    return std::min(copied, direct);
  }

  SizeFigures of_size(std::size_t bytes) {
    const std::size_t count = bytes / sizeof(float);
    SizeFigures figures{};
    figures.bytes = bytes;
    measure_copies(count, figures);
    measure_additions(count, figures);
    measure_reads(count, figures);
    figures.direct_plain_ns = timer_.quartile_ns(Workers::both, [this, count] { all_reduce_direct(count, Stores::plain); });
    figures.direct_nontemporal_ns = timer_.quartile_ns(Workers::both, [this, count] { all_reduce_direct(count, Stores::nontemporal); });
    return figures;
  }

 private:
  bool read_peer(float* target, std::size_t offset, std::size_t count) {
    const iovec local{target, count * sizeof(float)};
    const iovec remote{peer_memory_ + offset, count * sizeof(float)};
    return process_vm_readv(duo_.processes[other_], &local, 1, &remote, 1, 0) == static_cast<ssize_t>(count * sizeof(float));
  }

  bool both_can(bool own) {
    duo_.barrier();
    duo_.state->durations_ns[self_] = own ? 1 : 0;
    duo_.barrier();
    const bool both = duo_.state->durations_ns[0] + duo_.state->durations_ns[1] == 2;
    duo_.barrier();
    return both;
  }

  void measure_copies(std::size_t count, SizeFigures& figures) {
    const auto copying = [this, count](Stores stores) { return [this, count, stores] { copy(duo_.outputs[self_], duo_.inputs[self_], count, stores); }; };
    figures.copy_plain_one_ns = timer_.quartile_ns(Workers::one, copying(Stores::plain));
    figures.copy_nontemporal_one_ns = timer_.quartile_ns(Workers::one, copying(Stores::nontemporal));
    figures.copy_plain_both_ns = timer_.quartile_ns(Workers::both, copying(Stores::plain));
    figures.copy_nontemporal_both_ns = timer_.quartile_ns(Workers::both, copying(Stores::nontemporal));
  }

  void measure_additions(std::size_t count, SizeFigures& figures) {
    // Each core's own half of either input, so that both together read what an allreduce reads.
    const auto adding = [this, count](Stores stores) {
      return [this, count, stores] { add(duo_.outputs[self_], duo_.inputs[self_], duo_.inputs[other_], count, stores); };
    };
    figures.add_plain_one_ns = timer_.quartile_ns(Workers::one, adding(Stores::plain));
    figures.add_nontemporal_one_ns = timer_.quartile_ns(Workers::one, adding(Stores::nontemporal));
    figures.add_plain_both_ns = timer_.quartile_ns(Workers::both, adding(Stores::plain));
    figures.add_nontemporal_both_ns = timer_.quartile_ns(Workers::both, adding(Stores::nontemporal));
  }

  void measure_reads(std::size_t count, SizeFigures& figures) {
    if (!can_read_peer_) {
      figures.readv_one_ns = figures.readv_both_ns = figures.readv_add_both_ns = figures.readv_all_reduce_ns = kRefused;
      return;
    }
    const Work read = [this, count] { read_peer(duo_.private_output, 0, count); };
    figures.readv_one_ns = timer_.quartile_ns(Workers::one, read);
    figures.readv_both_ns = timer_.quartile_ns(Workers::both, read);
    figures.readv_add_both_ns = timer_.quartile_ns(Workers::both, [this, count] { read_and_add(0, count); });
    figures.readv_all_reduce_ns = timer_.quartile_ns(Workers::both, [this, count] { all_reduce_by_reading(count); });
  }

  static Stores stores_for(std::size_t count) { return count * sizeof(float) > (std::size_t{4} << 20U) ? Stores::nontemporal : Stores::plain; }

  void read_and_add(std::size_t begin, std::size_t count) {
    constexpr std::size_t kSlice = Duo::kTemporaryBytes / sizeof(float);
    for (std::size_t done = 0; done < count; done += kSlice) {
      const std::size_t length = std::min(kSlice, count - done);
      read_peer(duo_.temporary, begin + done, length);
      add(duo_.private_output + begin + done, duo_.private_input + begin + done, duo_.temporary, length, stores_for(count));
    }
  }

  // The other's half is read from its input instead of its output, which costs the same and needs no second address.
  void all_reduce_by_reading(std::size_t count) {
    const std::size_t half = count / 2;
    exchange_.both_ways();
    read_and_add(self_ * half, half);
    exchange_.both_ways();
    read_peer(duo_.private_output + other_ * half, other_ * half, half);
    exchange_.both_ways();
  }

  void all_reduce_direct(std::size_t count, Stores stores) {
    const std::size_t half = count < 32 ? 16 : count / 2;
    const std::size_t begin = count < 32 ? 0 : self_ * half;
    exchange_.both_ways();
    add_to_two(duo_.outputs[self_] + begin, duo_.outputs[other_] + begin, duo_.inputs[self_] + begin, duo_.inputs[other_] + begin, half, stores);
    exchange_.both_ways();
  }

  // One exchange: each copies its vector to where the other reads it. Two places in turn, so that nobody overwrites what is being read.
  void all_reduce_by_copies(std::size_t count) {
    const std::size_t place = (exchange_.count() % 2) * (kLeastBytes / sizeof(float));
    copy(duo_.inputs[self_] + place, duo_.private_input, count, Stores::plain);
    exchange_.both_ways();
    add(duo_.private_output, duo_.private_input, duo_.inputs[other_] + place, count, Stores::plain);
  }

  Duo& duo_;
  Timer timer_;
  Exchange exchange_;
  std::size_t self_;
  std::size_t other_;
  float* peer_memory_ = nullptr;
  bool can_read_peer_ = false;
  double ns_per_tick_ = peers::ns_per_tick();
};

// ---- loopback TCP ----

int connect_both(Duo& duo) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* const name = reinterpret_cast<sockaddr*>(&address);
  socklen_t length = sizeof address;
  int connected = -1;
  if (duo.self == 0) {
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || bind(listener, name, length) != 0 || listen(listener, 1) != 0) fail("calibrate: listen");
    if (getsockname(listener, name, &length) != 0) fail("calibrate: getsockname");
    duo.state->decision = ntohs(address.sin_port);
    duo.barrier();
    connected = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    close(listener);
  } else {
    duo.barrier();
    address.sin_port = htons(static_cast<std::uint16_t>(duo.state->decision));
    connected = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connected >= 0 && connect(connected, name, length) != 0) fail("calibrate: connect");
  }
  if (connected < 0) fail("calibrate: accept");
  const int on = 1;
  setsockopt(connected, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return connected;
}

void transfer(int file, std::vector<char>& bytes, int flags, bool is_sender) {
  for (std::size_t done = 0; done < bytes.size();) {
    char* const place = bytes.data() + done;
    const ssize_t moved = is_sender ? send(file, place, bytes.size() - done, flags) : recv(file, place, bytes.size() - done, flags);
    if (moved > 0) {
      done += static_cast<std::size_t>(moved);
    } else if (moved == 0 || (errno != EAGAIN && errno != EINTR)) {
      fail("calibrate: socket");
    }
  }
}

double tcp_one_way_ns(Duo& duo, int file, int flags) {
  std::vector<char> word(8);
  constexpr int kTrips = 2000;
  duo.barrier();
  const std::int64_t begin_ns = peers::monotonic_ns();
  for (int i = 0; i < kTrips; ++i) {
    transfer(file, word, flags, duo.self == 0);
    transfer(file, word, flags, duo.self == 1);
  }
  return static_cast<double>(peers::monotonic_ns() - begin_ns) / (2.0 * kTrips);
}

double tcp_bytes_per_s(Duo& duo, int file) {
  std::vector<char> piece(std::size_t{1} << 20U);
  constexpr int kPieces = 1000;
  duo.barrier();
  const std::int64_t begin_ns = peers::monotonic_ns();
  for (int i = 0; i < kPieces; ++i) transfer(file, piece, 0, duo.self == 0);
  duo.barrier();
  return static_cast<double>(piece.size()) * kPieces * 1e9 / static_cast<double>(peers::monotonic_ns() - begin_ns);
}

}  // namespace

Figures measure_all(Duo& duo) {
  Figures figures{};
  figures.huge = duo.huge;
  Measurements measurements(duo);
  figures.line_one_way_ns = measurements.line_one_way_ns();
  figures.line_exchange_ns = measurements.line_exchange_ns();
  for (std::size_t bytes = 64; bytes < kLeastBytes; bytes *= 4) figures.small_direct_ns.emplace_back(bytes, measurements.small_all_reduce_ns(bytes));
  for (std::size_t bytes = kLeastBytes; bytes <= kGreatestBytes; bytes *= 4) figures.sizes.push_back(measurements.of_size(bytes));
  const int file = connect_both(duo);
  figures.tcp_blocking_one_way_ns = tcp_one_way_ns(duo, file, 0);
  figures.tcp_polling_one_way_ns = tcp_one_way_ns(duo, file, MSG_DONTWAIT);
  figures.tcp_bytes_per_s = tcp_bytes_per_s(duo, file);
  close(file);
  return figures;
}

}  // namespace tutti::calibrate
