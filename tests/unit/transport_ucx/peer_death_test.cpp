// SPDX-License-Identifier: Apache-2.0
// Another process, which ends without a word, and one that stands still while memory must be let go.
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "transports/ucx/process_watch.hpp"
#include "transports/ucx/ucx.hpp"

extern char** environ;

namespace tutti::transports::ucx {
namespace {

using transport::Outcome;

constexpr uint32_t kChannel = transport::kFirstCollectiveChannel;
constexpr uint64_t kLongestWaitNs = 60'000'000'000;
constexpr const char* kPipes = "TUTTI_TEST_UCX_PIPES";

// A rank of a communicator of two, each in a process of its own.
class Rank {
 public:
  explicit Rank(uint32_t rank)
      : rank_(rank),
        transport_(UcxTransport::create({.rank = rank,
                                         .rank_count = 2,
                                         .communicator_id = 1,
                                         .secret = secret_,
                                         .host_id = "test",
                                         .clock = monotonic_clock(),
                                         .settings = settings_})
                       .value()) {}

  // Exchanges addresses and connects.
  [[nodiscard]] bool connect(int from_peer, int to_peer) {
    std::vector<std::byte> own = transport_->address();
    own.resize(transport::kMaxAddressBytes + 2);
    const size_t own_bytes = transport_->address().size();
    own[transport::kMaxAddressBytes] = static_cast<std::byte>(own_bytes);
    own[transport::kMaxAddressBytes + 1] = static_cast<std::byte>(own_bytes >> 8);
    std::vector<std::byte> theirs(own.size());
    if (::write(to_peer, own.data(), own.size()) != static_cast<ssize_t>(own.size())) {
      return false;
    }
    for (size_t read = 0; read < theirs.size();) {
      const ssize_t more = ::read(from_peer, theirs.data() + read, theirs.size() - read);
      if (more <= 0) {
        return false;
      }
      read += static_cast<size_t>(more);
    }
    theirs.resize(std::to_integer<size_t>(theirs[transport::kMaxAddressBytes]) | std::to_integer<size_t>(theirs.back()) << 8);
    transport_->connect(peer(), theirs);
    return wait([&] { return transport_->state(peer()) != transport::PeerState::connecting; }) && transport_->link(peer()) != nullptr;
  }

  template <typename Condition>
  bool wait(Condition condition) {
    const Deadline deadline = Deadline::after_ns(monotonic_clock(), kLongestWaitNs);
    while (!condition()) {
      if (deadline.passed(monotonic_clock())) {
        return false;
      }
      transport_->poll();
    }
    return true;
  }

  bool send(std::span<const std::byte> payload) {
    Outcome outcome{};
    return wait([&] { return (outcome = link().try_send(kChannel, {}, payload)) != Outcome::would_block; }) && outcome == Outcome::done;
  }
  bool receive(size_t payload_bytes) {
    transport::Frame frame;
    Outcome outcome{};
    const bool came = wait([&] { return (outcome = link().peek(kChannel, {}, &frame)) != Outcome::would_block; });
    if (!came || outcome != Outcome::done || frame.payload.size() != payload_bytes) {
      return false;
    }
    link().pop(kChannel);
    return true;
  }

  transport::Link& link() { return *transport_->link(peer()); }

 private:
  uint32_t peer() const { return 1 - rank_; }

  const uint32_t rank_;
  const transport::Secret secret_{};
  const Settings settings_ = [] {
    Settings settings;
    settings.transports = "ucx";
    return settings;
  }();
  std::unique_ptr<transport::Transport> transport_;
};

// The other process: this program, told to run nothing but UcxPeer.Serves.
class Peer {
 public:
  Peer() {
    std::array<int, 2> down{};
    std::array<int, 2> up{};
    if (::pipe(down.data()) != 0 || ::pipe(up.data()) != 0) {
      return;
    }
    to_ = down[1];
    from_ = up[0];
    ::setenv(kPipes, (std::to_string(down[0]) + " " + std::to_string(up[1])).c_str(), 1);
    std::string program = "/proc/self/exe";
    std::string filter = "--gtest_filter=UcxPeer.Serves";
    std::array<char*, 3> words{program.data(), filter.data(), nullptr};
    if (::posix_spawn(&process_, program.c_str(), nullptr, nullptr, words.data(), environ) != 0) {
      process_ = -1;
    }
    ::close(down[0]);
    ::close(up[1]);
  }
  ~Peer() {
    stop(SIGKILL);
    ::close(to_);
    ::close(from_);
  }

  int from() const { return from_; }
  int to() const { return to_; }
  // Ends it, or makes it stand still.
  void stop(int signal) {
    if (process_ > 0) {
      ::kill(process_, signal);
      int status = 0;
      ::waitpid(process_, &status, WUNTRACED);
      process_ = signal == SIGKILL ? -1 : process_;
    }
  }

 private:
  pid_t process_ = -1;
  int from_ = -1;
  int to_ = -1;
};

// The other process of the tests below; of no use by itself.
TEST(UcxPeer, Serves) {
  const char* const pipes = std::getenv(kPipes);
  if (pipes == nullptr) {
    return;
  }
  char* rest = nullptr;
  const int from = static_cast<int>(std::strtol(pipes, &rest, 10));
  const int to = static_cast<int>(std::strtol(rest, nullptr, 10));
  Rank rank(1);
  ASSERT_TRUE(rank.connect(from, to));
  const std::vector<std::byte> payload(100);
  ASSERT_TRUE(rank.send(payload));
  (void)rank.wait([&] { return !rank.link().failure().ok(); });
}

class UcxDeath : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    ::setenv("UCX_TLS", GetParam(), 1);
    ::setenv("UCX_NET_DEVICES", GetParam() == std::string_view("tcp") ? "lo" : "all", 1);
  }
};

TEST_P(UcxDeath, APeerThatIsKilledFailsItsLink) {
  Peer peer;
  Rank rank(0);
  ASSERT_TRUE(rank.connect(peer.from(), peer.to()));
  ASSERT_TRUE(rank.receive(100));
  EXPECT_TRUE(rank.link().failure().ok());
  peer.stop(SIGKILL);
  EXPECT_TRUE(rank.wait([&] { return !rank.link().failure().ok(); })) << "nobody noticed";
  EXPECT_EQ(rank.link().failure().code(), tuttiRemoteError);
}

TEST_P(UcxDeath, MemoryIsLetGoThoughThePeerStandsStill) {
  Peer peer;
  Rank rank(0);
  ASSERT_TRUE(rank.connect(peer.from(), peer.to()));
  ASSERT_TRUE(rank.receive(100));
  peer.stop(SIGSTOP);
  const std::vector<std::byte> payload(rank.link().max_frame_bytes());
  transport::Frame frame;
  std::vector<std::byte> landing(payload.size());
  ASSERT_EQ(rank.link().try_send(kChannel, {}, payload), Outcome::done);
  EXPECT_EQ(rank.link().peek(kChannel, landing, &frame), Outcome::would_block);
  rank.link().let_go();
  EXPECT_EQ(rank.link().released_bytes(kChannel), payload.size());
}

INSTANTIATE_TEST_SUITE_P(, UcxDeath, testing::Values("tcp", "posix", "posix,cma"), [](const testing::TestParamInfo<const char*>& tls) {
  std::string name(tls.param);
  return name.substr(name.find(',') + 1);
});

TEST(UcxProcessWatch, SeesTheEndOfTheProcessThatIsMeantAndOfNoOther) {
  const uint32_t own = static_cast<uint32_t>(::getpid());
  const uint64_t own_start = start_of_process(own);
  ASSERT_NE(own_start, 0u);
  EXPECT_TRUE(ProcessWatch(own, own_start).valid());
  EXPECT_FALSE(ProcessWatch(own, own_start).has_ended());
  EXPECT_FALSE(ProcessWatch(own, own_start + 1).valid()) << "another process of that number";
  EXPECT_FALSE(ProcessWatch().has_ended());
  pid_t process = -1;
  std::string program = "/bin/true";
  std::array<char*, 2> words{program.data(), nullptr};
  ASSERT_EQ(::posix_spawn(&process, program.c_str(), nullptr, nullptr, words.data(), environ), 0);
  const ProcessWatch watch(static_cast<uint32_t>(process), start_of_process(static_cast<uint32_t>(process)));
  while (watch.valid() && !watch.has_ended()) {
  }
  ::waitpid(process, nullptr, 0);
  EXPECT_EQ(start_of_process(0), 0u);
}

}  // namespace
}  // namespace tutti::transports::ucx
