// SPDX-License-Identifier: Apache-2.0
// The file of what has been measured: written and read again, damaged, about something else, not a file at all.
#include "comm/measured_links.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>

namespace tutti::comm {
namespace {

using testing::HasSubstr;

const MeasuredLinks kLinks{{{.transport = "shm", .latency_ns = 150, .bandwidth_bytes_per_s = 14'000'000'000},
                            {.transport = "tcp", .latency_ns = 3'500, .bandwidth_bytes_per_s = 5'000'000'000}}};

class MeasuredLinksTest : public testing::Test {
 protected:
  MeasuredLinksTest() {
    std::string name = (std::filesystem::temp_directory_path() / "tutti-links-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
    path_ = folder_ + "/a/b/links.json";
  }
  ~MeasuredLinksTest() override { std::filesystem::remove_all(folder_); }

  std::string text() const {
    std::ifstream file(path_);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void set_text(const std::string& text) const {
    std::filesystem::create_directories(std::filesystem::path(path_).parent_path());
    std::ofstream(path_) << text;
  }
  // What reading complains about.
  std::string complaint() const {
    const auto measured = read_measured_links(path_, "here");
    return measured ? "" : measured.error().message();
  }

  std::string folder_;
  std::string path_;
};

TEST_F(MeasuredLinksTest, AreReadAsTheyWereWritten) {
  ASSERT_TRUE(write_measured_links(path_, "here", kLinks).ok());
  const auto measured = read_measured_links(path_, "here");
  ASSERT_TRUE(measured.has_value()) << measured.error().message();
  EXPECT_EQ(measured->links, kLinks.links);
  ASSERT_NE(measured->find("tcp"), nullptr);
  EXPECT_EQ(measured->find("tcp")->latency_ns, 3'500u);
  EXPECT_EQ(measured->find("ofi"), nullptr);
}

TEST_F(MeasuredLinksTest, AFileIsReplacedAtOnce) {
  ASSERT_TRUE(write_measured_links(path_, "here", kLinks).ok());
  ASSERT_TRUE(write_measured_links(path_, "here", {{kLinks.links[1]}}).ok());
  EXPECT_EQ(read_measured_links(path_, "here")->links.size(), 1u);
  const auto folder = std::filesystem::directory_iterator(std::filesystem::path(path_).parent_path());
  EXPECT_EQ(std::distance(begin(folder), end(folder)), 1) << "no temporary file is left";
}

TEST_F(MeasuredLinksTest, NoFileIsNoLinks) {
  const auto measured = read_measured_links(path_, "here");
  ASSERT_TRUE(measured.has_value());
  EXPECT_TRUE(measured->links.empty());
  set_text("");
  EXPECT_TRUE(read_measured_links(path_ + "/below", "here").has_value()) << "what is below a file is not there";
}

TEST_F(MeasuredLinksTest, WhatIsWrongIsSaid) {
  ASSERT_TRUE(write_measured_links(path_, "there", kLinks).ok());
  EXPECT_THAT(complaint(), HasSubstr("is about another machine than here"));
  EXPECT_THAT(complaint(), HasSubstr(path_));
  const std::string links = R"("links": [{"transport": "shm", "latency_ns": 150, "bandwidth_bytes_per_s": 14000000000}])";
  const std::string head = R"({"format": 1, "machine": "here", )";
  set_text(head + links + "}");
  EXPECT_EQ(complaint(), "");
  const std::pair<std::string, const char*> cases[] = {
      {"", "is not a JSON object"},
      {"[1, 2]", "is not a JSON object"},
      {head + links, "is not a JSON object"},
      {R"({"format": 2, "machine": "here", )" + links + "}", "format is not 1"},
      {R"({"format": -1, "machine": "here", )" + links + "}", "format is not 1"},
      {R"({"format": "1", "machine": "here", )" + links + "}", "format is not 1"},
      {R"({"machine": "here", )" + links + "}", "missing or of a wrong type"},
      {R"({"format": 1, "machine": 7, )" + links + "}", "missing or of a wrong type"},
      {head + R"("links": {}})", "missing or of a wrong type"},
      {head + R"("links": [7]})", "missing or of a wrong type"},
      {head + R"("links": [{"transport": "shm", "latency_ns": 150}]})", "missing or of a wrong type"},
      {head + R"("links": [{"transport": "shm", "latency_ns": 0, "bandwidth_bytes_per_s": 14000000000}]})", "latency_ns of shm: 0 is not 1 to"},
      {head + R"("links": [{"transport": "shm", "latency_ns": -5, "bandwidth_bytes_per_s": 14000000000}]})", "latency_ns of shm: 0 is not 1 to"},
      {head + R"("links": [{"transport": "shm", "latency_ns": 1e99, "bandwidth_bytes_per_s": 14000000000}]})", "latency_ns of shm"},
      {head + R"("links": [{"transport": "shm", "latency_ns": 150, "bandwidth_bytes_per_s": 99}]})", "bandwidth_bytes_per_s of shm: 99 is not"},
      {head + R"("links": [{"transport": "sh m", "latency_ns": 150, "bandwidth_bytes_per_s": 14000000000}]})", "a transport's name"},
      {std::string(kMostMeasuredBytes + 1, ' '), "more than 16384 bytes"},
      {std::string(kMostMeasuredBytes, '['), "is not a JSON object"},
      {std::string(2000, '{'), "is not a JSON object"},
  };
  for (const auto& [text, expected] : cases) {
    set_text(text);
    EXPECT_THAT(complaint(), HasSubstr(expected)) << text.substr(0, 200);
  }
}

TEST_F(MeasuredLinksTest, TwoOfOneTransportAreRefused) {
  const MeasuredLinks twice{{kLinks.links[0], kLinks.links[0]}};
  EXPECT_THAT(write_measured_links(path_, "here", twice).message(), HasSubstr("two links of shm"));
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(MeasuredLinksTest, WhatIsNoOrdinaryFileIsRefusedWithoutWaiting) {
  std::filesystem::create_directories(path_);
  EXPECT_NE(complaint(), "");
  std::filesystem::remove(path_);
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  EXPECT_THAT(complaint(), HasSubstr("is not an ordinary file"));
}

TEST_F(MeasuredLinksTest, DamagedFilesEndInLinksOrInAMessage) {
  ASSERT_TRUE(write_measured_links(path_, "here", kLinks).ok());
  const std::string good = text();
  std::mt19937 random(7);
  for (int round = 0; round < 300; ++round) {
    std::string damaged = good;
    for (uint32_t change = random() % 4 + 1; change > 0; --change) {
      const size_t at = random() % damaged.size();
      random() % 2 == 0 ? damaged.replace(at, random() % 8, std::string(random() % 8, static_cast<char>(random() % 256)))
                        : damaged.replace(at, 1, 1, static_cast<char>(damaged[at] ^ 1 << random() % 8));
      damaged += " ";
    }
    set_text(damaged);
    const auto measured = read_measured_links(path_, "here");
    if (measured) {
      for (const MeasuredLink& link : measured->links) {
        EXPECT_GT(link.latency_ns, 0u);
        EXPECT_GE(link.bandwidth_bytes_per_s, kLeastMeasuredBytes_per_s);
      }
    } else {
      EXPECT_THAT(measured.error().message(), HasSubstr(path_));
    }
  }
}

// Environment variables are the process's: each test of CTest has one of its own.
TEST_F(MeasuredLinksTest, LieInTheCacheOfTheUser) {
  ::setenv("HOME", "/home/one", 1);
  ::setenv("XDG_CACHE_HOME", "relative", 1);
  EXPECT_EQ(measured_links_path("m"), "/home/one/.cache/tutti/links-m.json");
  ::setenv("XDG_CACHE_HOME", folder_.c_str(), 1);
  EXPECT_EQ(measured_links_path("m"), folder_ + "/tutti/links-m.json");
  EXPECT_EQ(machine_key().size(), 16u);
  EXPECT_EQ(machine_key(), machine_key());
  path_ = *measured_links_path(machine_key());
  EXPECT_TRUE(measured_links_of_this_machine().links.empty());
  ASSERT_TRUE(write_measured_links(path_, machine_key(), kLinks).ok());
  EXPECT_EQ(measured_links_of_this_machine().links, kLinks.links);
  set_text("nonsense");
  EXPECT_TRUE(measured_links_of_this_machine().links.empty());
  ::unsetenv("XDG_CACHE_HOME");
  ::unsetenv("HOME");
  EXPECT_EQ(measured_links_path("m"), std::nullopt);
}

}  // namespace
}  // namespace tutti::comm
