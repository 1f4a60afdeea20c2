// SPDX-License-Identifier: Apache-2.0
#include "comm/measured_links.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/hash.hpp"
#include "base/log.hpp"

namespace tutti::comm {
namespace {

using nlohmann::json;

constexpr uint64_t kFormat = 1;
constexpr size_t kMostNameBytes = 32;

uint64_t hash_of(std::string_view text) {
  uint64_t seed = text.size();
  for (const char character : text) {
    seed = hash_combine(seed, static_cast<unsigned char>(character));
  }
  return seed;
}

std::string processor_model() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("model name") || line.starts_with("CPU part")) {
      return line;
    }
  }
  return {};
}

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= kMostNameBytes &&
         std::ranges::all_of(text, [](char character) { return (character >= 'a' && character <= 'z') || (character >= '0' && character <= '9'); });
}

// What is wrong with the links; empty if nothing is.
std::string complaint_about(const MeasuredLinks& measured) {
  if (measured.links.size() > kMostMeasuredLinks) {
    return fmt::format("{} links; at most {} are allowed", measured.links.size(), kMostMeasuredLinks);
  }
  for (const MeasuredLink& link : measured.links) {
    if (!is_name(link.transport)) {
      return "a transport's name is not 1 to 32 small letters and digits";
    }
    if (measured.find(link.transport) != &link) {
      return fmt::format("two links of {}", link.transport);
    }
    if (link.latency_ns == 0 || link.latency_ns > kLongestMeasured_ns) {
      return fmt::format("latency_ns of {}: {} is not 1 to {}", link.transport, link.latency_ns, kLongestMeasured_ns);
    }
    if (link.bandwidth_bytes_per_s < kLeastMeasuredBytes_per_s || link.bandwidth_bytes_per_s > kMostMeasuredBytes_per_s) {
      return fmt::format("bandwidth_bytes_per_s of {}: {} is not {} to {}", link.transport, link.bandwidth_bytes_per_s, kLeastMeasuredBytes_per_s,
                         kMostMeasuredBytes_per_s);
    }
  }
  return {};
}

class File {
 public:
  explicit File(int file) : file_(file) {}
  ~File() {
    if (file_ >= 0) {
      ::close(file_);
    }
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int get() const { return file_; }

 private:
  int file_;
};

// Nothing if there is no such file.
Result<std::optional<std::string>> contents_of(const std::string& path) {
  const File file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));  // a FIFO must not keep it waiting
  if (file.get() < 0) {
    if (errno == ENOENT || errno == ENOTDIR) {
      return std::optional<std::string>();
    }
    return tl::make_unexpected(system_error(errno, "open of " + path));
  }
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) {
    return tl::make_unexpected(system_error(errno, "fstat of " + path));
  }
  if (!S_ISREG(status.st_mode)) {
    return tl::make_unexpected(invalid_argument("{}: is not an ordinary file", path));
  }
  std::string text(kMostMeasuredBytes + 1, '\0');
  size_t size = 0;
  while (size < text.size()) {
    const ssize_t count = ::read(file.get(), text.data() + size, text.size() - size);
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count < 0) {
      return tl::make_unexpected(system_error(errno, "read of " + path));
    }
    if (count == 0) {
      break;
    }
    size += static_cast<size_t>(count);
  }
  if (size > kMostMeasuredBytes) {
    return tl::make_unexpected(invalid_argument("{}: more than {} bytes", path, kMostMeasuredBytes));
  }
  text.resize(size);
  return std::optional(std::move(text));
}

// Throws json::exception if something is missing or of another type.
MeasuredLinks links_of(const json& document) {
  MeasuredLinks measured;
  for (const json& link : document.at("links").get_ref<const json::array_t&>()) {
    const auto number = [&](const char* key) {
      const json& value = link.at(key);
      return value.is_number_unsigned() ? value.get<uint64_t>() : 0;  // out of bounds
    };
    measured.links.push_back({.transport = link.at("transport").get<std::string>(),
                              .latency_ns = number("latency_ns"),
                              .bandwidth_bytes_per_s = number("bandwidth_bytes_per_s")});
    if (measured.links.size() > kMostMeasuredLinks) {
      break;  // enough for a complaint
    }
  }
  return measured;
}

Status write_all(int file, std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = ::write(file, text.data(), text.size());
    if (count < 0 && errno != EINTR) {
      return system_error(errno, "write");
    }
    text.remove_prefix(static_cast<size_t>(std::max<ssize_t>(count, 0)));
  }
  return ::fsync(file) == 0 ? Status() : system_error(errno, "fsync");
}

}  // namespace

const MeasuredLink* MeasuredLinks::find(std::string_view transport) const {
  const auto found = std::ranges::find(links, transport, &MeasuredLink::transport);
  return found == links.end() ? nullptr : &*found;
}

std::string machine_key() {
  char name[256] = {};
  ::gethostname(name, sizeof name - 1);
  const uint64_t processors = static_cast<uint64_t>(std::max<long>(::sysconf(_SC_NPROCESSORS_CONF), 0));
  return fmt::format("{:016x}", hash_combine(hash_combine(hash_of(name), hash_of(processor_model())), processors));
}

std::optional<std::string> measured_links_path(const std::string& machine) {
  const char* const cache = std::getenv("XDG_CACHE_HOME");
  const char* const home = std::getenv("HOME");
  std::string folder;
  if (cache != nullptr && cache[0] == '/') {  // by the specification others are to be ignored
    folder = cache;
  } else if (home != nullptr && home[0] == '/') {
    folder = std::string(home) + "/.cache";
  } else {
    return std::nullopt;
  }
  return fmt::format("{}/tutti/links-{}.json", folder, machine);
}

Result<MeasuredLinks> read_measured_links(const std::string& path, const std::string& machine) {
  const auto text = contents_of(path);
  if (!text) {
    return tl::make_unexpected(text.error());
  }
  if (!*text) {
    return MeasuredLinks{};
  }
  const json document = json::parse(**text, nullptr, false);
  if (!document.is_object()) {
    return tl::make_unexpected(invalid_argument("{}: is not a JSON object", path));
  }
  try {
    if (const json& format = document.at("format"); !format.is_number_unsigned() || format.get<uint64_t>() != kFormat) {
      return tl::make_unexpected(invalid_argument("{}: format is not {}", path, kFormat));
    }
    if (document.at("machine").get<std::string>() != machine) {
      return tl::make_unexpected(invalid_argument("{}: is about another machine than {}", path, machine));
    }
    MeasuredLinks measured = links_of(document);
    if (const std::string complaint = complaint_about(measured); !complaint.empty()) {
      return tl::make_unexpected(invalid_argument("{}: {}", path, complaint));
    }
    return measured;
  } catch (const json::exception&) {
    return tl::make_unexpected(invalid_argument("{}: format, machine or a link's transport and figures are missing or of a wrong type", path));
  }
}

Status write_measured_links(const std::string& path, const std::string& machine, const MeasuredLinks& measured) {
  if (const std::string complaint = complaint_about(measured); !complaint.empty()) {
    return invalid_argument("{}: {}", path, complaint);
  }
  json document = {{"format", kFormat}, {"machine", machine}, {"links", json::array()}};
  for (const MeasuredLink& link : measured.links) {
    document["links"].push_back(
        {{"transport", link.transport}, {"latency_ns", link.latency_ns}, {"bandwidth_bytes_per_s", link.bandwidth_bytes_per_s}});
  }
  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), error);
  if (error) {
    return system_error(error.value(), "creation of the folder of " + path);
  }
  std::string temporary = path + ".XXXXXX";
  const File file(::mkostemp(temporary.data(), O_CLOEXEC));
  if (file.get() < 0) {
    return system_error(errno, "mkostemp of " + temporary);
  }
  Status status = write_all(file.get(), document.dump(2) + "\n");
  if (status.ok() && ::rename(temporary.c_str(), path.c_str()) != 0) {
    status = system_error(errno, "rename to " + path);
  }
  if (!status.ok()) {
    ::unlink(temporary.c_str());
  }
  return status;
}

MeasuredLinks measured_links_of_this_machine() {
  const std::string machine = machine_key();
  const auto path = measured_links_path(machine);
  auto measured = path ? read_measured_links(*path, machine) : MeasuredLinks{};
  if (!measured) {
    log::warn("measured links are ignored, and defaults taken: {}", measured.error().message());
    return {};
  }
  return std::move(*measured);
}

}  // namespace tutti::comm
