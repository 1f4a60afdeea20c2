// SPDX-License-Identifier: Apache-2.0
// Strangers at every port a job listens on, while it comes up and while it runs; and the places where a secret must not appear.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <set>
#include <sstream>
#include <thread>

#include "robustness/rank_process.hpp"
#include "robustness/support.hpp"

namespace tutti::robustness {
namespace {

// Sockets of this process, as /proc/self/fd names them.
std::set<std::string> own_sockets() {
  std::set<std::string> inodes;
  std::error_code ignored;  // descriptors come and go
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd", ignored)) {
    const std::string target = std::filesystem::read_symlink(entry.path(), ignored).string();
    if (target.starts_with("socket:[")) {
      inodes.insert(target.substr(8, target.size() - 9));
    }
  }
  return inodes;
}

// Ports on which this process listens, by /proc/self/net/tcp: state 0A, and an inode of ours.
std::vector<uint16_t> listening_ports() {
  const std::set<std::string> inodes = own_sockets();
  std::vector<uint16_t> ports;
  std::ifstream table("/proc/self/net/tcp");
  std::string line;
  std::getline(table, line);
  while (std::getline(table, line)) {
    std::istringstream words(line);
    std::string number, local, remote, state, queues, timer, retransmissions, user, timeout, inode;
    words >> number >> local >> remote >> state >> queues >> timer >> retransmissions >> user >> timeout >> inode;
    if (state == "0A" && inodes.contains(inode)) {
      ports.push_back(static_cast<uint16_t>(std::stoul(local.substr(local.find(':') + 1), nullptr, 16)));
    }
  }
  return ports;
}

class Attacker {
 public:
  Attacker() : thread_([this] { run(); }) {}
  ~Attacker() {
    stop_.store(true);
    thread_.join();
    for (const int socket : silent_) {
      ::close(socket);
    }
  }
  uint64_t attacks() const { return attacks_.load(); }

 private:
  static constexpr size_t kMostSilent = 200;

  void run() {
    while (!stop_.load()) {
      for (const uint16_t port : listening_ports()) {
        attack(port);
      }
      std::this_thread::yield();
    }
  }

  void attack(uint16_t port) {
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (socket < 0 || (::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 && errno != EINPROGRESS)) {
      ::close(socket);
      return;
    }
    attacks_.fetch_add(1);
    std::vector<unsigned char> bytes(1 + random_() % 4'096);
    switch (random_() % 5) {
      case 0:  // garbage
        for (unsigned char& byte : bytes) {
          byte = static_cast<unsigned char>(random_());
        }
        break;
      case 1:  // lengths without measure
        std::ranges::fill(bytes, 0xff);
        break;
      case 2:  // zeros
        std::ranges::fill(bytes, 0);
        break;
      case 3:  // what the other end greeted an earlier stranger with
        bytes = heard_;
        break;
      default:  // silence
        if (silent_.size() < kMostSilent) {
          silent_.push_back(socket);
        } else {
          ::close(socket);
        }
        return;
    }
    (void)::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    std::vector<unsigned char> answer(512);
    if (const ssize_t received = ::recv(socket, answer.data(), answer.size(), MSG_DONTWAIT); received > 0) {
      answer.resize(static_cast<size_t>(received));
      heard_ = answer;
    }
    ::close(socket);
  }

  std::mt19937_64 random_{seed()};
  std::vector<int> silent_;
  std::vector<unsigned char> heard_;
  std::atomic<bool> stop_{false};       // written by the test's thread
  std::atomic<uint64_t> attacks_{0};    // written by the attacker's
  std::thread thread_;
};

TEST(Attack, AJobUnderAttackComesUpAndComputes) {
  Attacker attacker;
  for (int job = 0; job < 5; ++job) {
    run_ranks({.rank_count = 3, .transports = "tcp"}, [&](int rank, tuttiComm_t& comm) {
      const uint64_t before = attacker.attacks();
      // Goes on until strangers have come while it ran; the ranks agree by a maximum.
      for (int64_t met = 0; met == 0;) {
        int64_t sum = 0;
        const Outcome outcome = all_reduce_once(comm, rank + 1, &sum);
        ASSERT_EQ(outcome.code, tuttiSuccess) << outcome;
        ASSERT_EQ(sum, 6);
        const int64_t mine = attacker.attacks() > before + 10 ? 1 : 0;
        ASSERT_EQ(tuttiAllReduce(&mine, &met, 1, tuttiInt64, tuttiMin, comm, nullptr), tuttiSuccess);
        ASSERT_EQ(tuttiCommSynchronize(comm), tuttiSuccess);
      }
    });
  }
  std::cout << attacker.attacks() << " attacks\n";
}

std::string contents_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string hexadecimal(const std::string& bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const char byte : bytes) {
    text += kDigits[static_cast<unsigned char>(byte) >> 4];
    text += kDigits[static_cast<unsigned char>(byte) & 15];
  }
  return text;
}

TEST(Secrets, AppearNeitherInTheEnvironmentNorInArgumentsNorInLogs) {
  tuttiUniqueId id;
  ASSERT_EQ(tuttiGetUniqueId(&id), tuttiSuccess);
  const std::filesystem::path log = std::filesystem::temp_directory_path() / ("tutti-robustness-" + std::to_string(::getpid()) + ".log");
  std::vector<std::unique_ptr<RankProcess>> ranks;
  for (int rank = 0; rank < 2; ++rank) {
    ranks.push_back(std::make_unique<RankProcess>(
        RankProcess::Options{.rank = rank,
                             .rank_count = 2,
                             .scenario = "idle",
                             .arguments = {},
                             .environment = {{"TUTTI_DEBUG", "TRACE"}, {"TUTTI_DEBUG_FILE", log.string()}, {"TUTTI_TRANSPORTS", "tcp"}}},
        id));
  }
  std::string public_text;
  for (const auto& rank : ranks) {
    rank->expect_line("idle");
    const std::string process = "/proc/" + std::to_string(rank->process_id());
    public_text += contents_of(process + "/environ") + contents_of(process + "/cmdline");
  }
  for (const auto& rank : ranks) {
    rank->write_line("go on");
  }
  for (const auto& rank : ranks) {
    rank->kill_now();
    (void)rank->wait();
  }
  const std::string logged = contents_of(log.string());
  std::filesystem::remove(log);
  ASSERT_THAT(logged, HasSubstr("rank")) << "or there is nothing to search";
  public_text += logged;
  // Wherever in the id the secret lies: no 8 bytes of it in a row, unless they are padding.
  const std::string bytes(id.internal, sizeof id.internal);
  for (size_t begin = 0; begin + 8 <= bytes.size(); ++begin) {
    const std::string piece = bytes.substr(begin, 8);
    if (std::set<char>(piece.begin(), piece.end()).size() < 5) {
      continue;
    }
    EXPECT_EQ(public_text.find(piece), std::string::npos) << "bytes " << begin << " of the id, raw";
    EXPECT_EQ(public_text.find(hexadecimal(piece)), std::string::npos) << "bytes " << begin << " of the id, hexadecimal";
  }
}

}  // namespace
}  // namespace tutti::robustness
