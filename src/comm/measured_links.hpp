// SPDX-License-Identifier: Apache-2.0
// What `calibrate --save` has measured of the links between the ranks of one host: a file for each machine in $XDG_CACHE_HOME/tutti, else
// ~/.cache/tutti. It may be deleted at any time. A file that is damaged, or is about another machine or of another format, counts as none.
//
// Ranks exchange what they take their links to do, so that a file that only some of them have, or that changes meanwhile, changes all plans alike.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.hpp"

namespace tutti::comm {

struct MeasuredLink {
  std::string transport;  // "shm"; of "tcp" over loopback
  uint64_t latency_ns = 0;
  uint64_t bandwidth_bytes_per_s = 0;

  bool operator==(const MeasuredLink&) const = default;
};

struct MeasuredLinks {
  std::vector<MeasuredLink> links;  // by transport, no two of one

  const MeasuredLink* find(std::string_view transport) const;
};

// What a file may hold. Figures beyond these are errors.
inline constexpr size_t kMostMeasuredBytes = 16 * 1024;
inline constexpr size_t kMostMeasuredLinks = 16;
inline constexpr uint64_t kLongestMeasured_ns = 1'000'000'000;
inline constexpr uint64_t kLeastMeasuredBytes_per_s = 1'000'000;
inline constexpr uint64_t kMostMeasuredBytes_per_s = 100'000'000'000'000;

// Tells machines apart that share a home: from the host's name, its processor's model and how many there are. 16 hexadecimal digits.
std::string machine_key();
// Nothing if the environment names no home.
std::optional<std::string> measured_links_path(const std::string& machine);

// Errors: tuttiInvalidArgument with the file and what is wrong with it; tuttiSystemError when it cannot be read. A file that is not there is no links.
Result<MeasuredLinks> read_measured_links(const std::string& path, const std::string& machine);
// Makes the folders, and replaces the file at once. Errors: tuttiInvalidArgument for links that reading would refuse; tuttiSystemError naming the call.
Status write_measured_links(const std::string& path, const std::string& machine, const MeasuredLinks& links);

// Of this machine, read anew; a file that is no use is one line of the log.
MeasuredLinks measured_links_of_this_machine();

}  // namespace tutti::comm
