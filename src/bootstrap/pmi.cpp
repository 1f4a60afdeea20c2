// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/pmi.hpp"

#include <fcntl.h>
#include <fmt/ranges.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <climits>
#include <mutex>
#include <optional>

#include "base/clock.hpp"
#include "bootstrap/announcement.hpp"
#include "bootstrap/variables.hpp"

namespace tutti::bootstrap {

namespace {

constexpr const char* kBarrier = "cmd=barrier_in";
constexpr size_t kMaxLineBytes = 8192;
// How long the process's end waits for the server to have heard of it.
constexpr uint64_t kFarewellMs = 1000;
constexpr std::array<const char*, 3> kPmiVariables{"PMI_FD", "PMI_RANK", "PMI_SIZE"};

// For poll: until the deadline, -1 for ever.
int remaining_ms(const Deadline& deadline) {
  const uint64_t now_ns = monotonic_clock().now_ns();
  if (deadline.at_ns() == UINT64_MAX) {
    return -1;
  }
  return deadline.at_ns() <= now_ns ? 0 : static_cast<int>(std::min<uint64_t>((deadline.at_ns() - now_ns) / 1'000'000 + 1, INT_MAX));
}

// The value of a word "key=value" in a line.
std::optional<std::string_view> word_of(std::string_view line, std::string_view key) {
  while (!line.empty()) {
    const std::string_view word = line.substr(0, line.find(' '));
    if (word.size() > key.size() && word.starts_with(key) && word[key.size()] == '=') {
      return word.substr(key.size() + 1);
    }
    line.remove_prefix(std::min(line.size(), word.size() + 1));
  }
  return std::nullopt;
}

std::string to_hexadecimal(std::span<const std::byte> bytes) {
  return fmt::format("{:02x}", fmt::join(reinterpret_cast<const unsigned char*>(bytes.data()),
                                         reinterpret_cast<const unsigned char*>(bytes.data()) + bytes.size(), ""));
}

// Empty when malformed.
Bytes from_hexadecimal(std::string_view text) {
  Bytes bytes(text.size() / 2);
  for (size_t i = 0; i < bytes.size(); ++i) {
    unsigned value = 0;
    const char* const end = text.data() + 2 * i + 2;
    if (std::from_chars(end - 2, end, value, 16).ptr != end) {
      return {};
    }
    bytes[i] = static_cast<std::byte>(value);
  }
  return bytes;
}

// The process's only conversation: a server that hears the end of one takes the process for gone.
class PmiSession {
 public:
  static PmiSession& instance() {
    static PmiSession session;
    return session;
  }
  PmiSession(const PmiSession&) = delete;
  PmiSession& operator=(const PmiSession&) = delete;
  ~PmiSession() {
    // A forked child shares its parent's socket, but has no place of its own.
    if (conversation_ && ::getpid() == owner_) {
      conversation_->finish();
    }
  }

  // Calls of all threads take their turn: they number the keys.
  std::mutex& mutex() { return mutex_; }
  Result<PmiConversation*> conversation(const Settings& settings) {
    if (conversation_ && ::getpid() != owner_) {
      return tl::make_unexpected(invalid_usage("tuttiCommInitFromEnv: a forked child of a launched process has no place of its own"));
    }
    if (!conversation_) {
      TUTTI_UNEXPECTED_IF_ERROR(begin(settings));
    }
    return &*conversation_;
  }
  uint64_t next_call() { return call_++; }

 private:
  PmiSession() = default;

  Status begin(const Settings& settings) {
    const auto socket = number_of("PMI_FD", {.least = 0, .most = INT_MAX});
    if (!socket) {
      return socket.error();
    }
    // An MPI library in this process closes its own when it finalises.
    Descriptor own(::fcntl(static_cast<int>(*socket), F_DUPFD_CLOEXEC, 3));
    if (!own.valid()) {
      return system_error(errno, fmt::format("tuttiCommInitFromEnv: PMI_FD is {}, but", *socket));
    }
    auto begun = PmiConversation::begin(std::move(own), settings.timeout_ms);
    if (!begun) {
      return begun.error();
    }
    conversation_.emplace(std::move(*begun));
    owner_ = ::getpid();
    return {};
  }

  std::mutex mutex_;
  std::optional<PmiConversation> conversation_;
  pid_t owner_ = 0;
  uint64_t call_ = 0;
};

}  // namespace

// ---- The conversation ----------------------------------------------------------------------------------------------

Result<PmiConversation> PmiConversation::begin(Descriptor socket, uint64_t timeout_ms) {
  PmiConversation conversation(std::move(socket), timeout_ms);
  if (const auto hello = conversation.ask("cmd=init pmi_version=1 pmi_subversion=1", "response_to_init"); !hello) {
    return tl::make_unexpected(hello.error());
  }
  const auto limits = conversation.ask("cmd=get_maxes", "maxes");
  if (!limits) {
    return tl::make_unexpected(limits.error());
  }
  const std::string_view most = word_of(*limits, "vallen_max").value_or("");
  const auto [end, error] = std::from_chars(most.data(), most.data() + most.size(), conversation.max_value_bytes_);
  if (error != std::errc() || end != most.data() + most.size() || conversation.max_value_bytes_ == 0) {
    return tl::make_unexpected(failure(tuttiSystemError, "PMI: the server allows values of \"{}\" bytes", sanitised(most)));
  }
  --conversation.max_value_bytes_;  // servers count the end of a C string
  const auto space = conversation.ask("cmd=get_my_kvsname", "my_kvsname");
  if (!space) {
    return tl::make_unexpected(space.error());
  }
  conversation.space_ = word_of(*space, "kvsname").value_or("");
  return conversation;
}

Status PmiConversation::put(std::string_view key, std::string_view value) {
  const auto answer = ask(fmt::format("cmd=put kvsname={} key={} value={}", space_, key, value), "put_result");
  if (!answer) {
    return answer.error();
  }
  const std::string_view result = word_of(*answer, "rc").value_or("0");
  return result == "0" ? Status() : failure_ = failure(tuttiSystemError, "PMI: the server did not take {}: {}", key, sanitised(*answer));
}

Status PmiConversation::barrier() {
  const auto answer = ask(kBarrier, "barrier_out");
  if (!answer) {
    return answer.error();
  }
  const std::string_view result = word_of(*answer, "rc").value_or("0");
  return result == "0" ? Status() : failure_ = failure(tuttiSystemError, "PMI: the barrier failed: {}", sanitised(*answer));
}

Result<std::string> PmiConversation::get(std::string_view key) {
  const auto answer = ask(fmt::format("cmd=get kvsname={} key={}", space_, key), "get_result");
  if (!answer) {
    return tl::make_unexpected(answer.error());
  }
  const auto value = word_of(*answer, "value");
  if (word_of(*answer, "rc").value_or("0") != "0" || !value) {
    return tl::make_unexpected(failure(tuttiSystemError, "PMI: nobody has put {}", key));
  }
  return std::string(*value);
}

void PmiConversation::finish() {
  timeout_ms_ = timeout_ms_ == 0 ? kFarewellMs : std::min(timeout_ms_, kFarewellMs);
  static_cast<void>(ask("cmd=finalize", "finalize_ack"));
}

Result<std::string> PmiConversation::ask(const std::string& request, std::string_view wanted) {
  TUTTI_UNEXPECTED_IF_ERROR(failure_);
  auto answer = answer_to(request, wanted);
  if (!answer) {
    failure_ = answer.error();
  }
  return answer;
}

Result<std::string> PmiConversation::answer_to(const std::string& request, std::string_view wanted) {
  const std::string line = request + "\n";
  if (::send(socket_.get(), line.data(), line.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(line.size())) {
    return tl::make_unexpected(system_error(errno, "PMI: send to the server"));
  }
  const Deadline deadline = Deadline::after_timeout_ms(monotonic_clock(), timeout_ms_);
  size_t end = 0;
  while ((end = input_.find('\n')) == std::string::npos) {
    TUTTI_UNEXPECTED_IF_ERROR(receive(deadline, request));
  }
  const std::string answer = input_.substr(0, end);
  input_.erase(0, end + 1);
  if (word_of(answer, "cmd") != wanted) {
    return tl::make_unexpected(failure(tuttiSystemError, "PMI: the server answered \"{}\" to \"{}\"", sanitised(answer), sanitised(request)));
  }
  return answer;
}

Status PmiConversation::receive(const Deadline& deadline, const std::string& request) {
  pollfd readable{.fd = socket_.get(), .events = POLLIN, .revents = 0};
  const int ready = ::poll(&readable, 1, remaining_ms(deadline));
  if (ready == 0) {
    const bool in_barrier = request == kBarrier;
    return timeout_error("PMI: waited {} ms for {}", timeout_ms_, in_barrier ? "the other ranks" : "the server");
  }
  std::array<char, 2048> bytes;
  const ssize_t got = ready < 0 ? -1 : ::recv(socket_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
  if (got < 0 && errno != EINTR && errno != EAGAIN) {
    return system_error(errno, "PMI: receive from the server");
  }
  if (got == 0) {
    return failure(tuttiSystemError, "PMI: the server closed the connection");
  }
  input_.append(bytes.data(), static_cast<size_t>(std::max<ssize_t>(got, 0)));
  return input_.size() <= kMaxLineBytes ? Status() : failure(tuttiSystemError, "PMI: the server sent a line of more than {} bytes", kMaxLineBytes);
}

// ---- Placement -----------------------------------------------------------------------------------------------------

bool launched_by_pmi() {
  return std::all_of(kPmiVariables.begin(), kPmiVariables.end(), [](const char* variable) { return !value_of(variable).empty(); });
}

Result<Placement> placement_from_pmi(const Settings& settings) {
  const auto rank_count = number_of("PMI_SIZE", {.least = 1, .most = kMaxRankCount});
  if (!rank_count) {
    return tl::make_unexpected(rank_count.error());
  }
  const auto rank = number_of("PMI_RANK", {.least = 0, .most = *rank_count - 1});
  if (!rank) {
    return tl::make_unexpected(rank.error());
  }
  PmiSession& session = PmiSession::instance();
  const std::lock_guard lock(session.mutex());
  const auto conversation = session.conversation(settings);
  if (!conversation) {
    return tl::make_unexpected(conversation.error());
  }
  const std::string key = fmt::format("tutti.id.{}", session.next_call());
  if (*rank == 0) {
    // An error that is too long loses its end.
    const Bytes announcement = make_announcement(settings);
    const size_t fitting = std::min(announcement.size(), (*conversation)->max_value_bytes() / 2);
    TUTTI_UNEXPECTED_IF_ERROR((*conversation)->put(key, to_hexadecimal(std::span(announcement).first(fitting))));
  }
  TUTTI_UNEXPECTED_IF_ERROR((*conversation)->barrier());
  const auto published = (*conversation)->get(key);
  if (!published) {
    return tl::make_unexpected(published.error());
  }
  const auto id = read_announcement(from_hexadecimal(*published), "PMI");
  if (!id) {
    return tl::make_unexpected(id.error());
  }
  return Placement{.rank = *rank, .rank_count = *rank_count, .id = *id, .launcher = "PMI"};
}

}  // namespace tutti::bootstrap
