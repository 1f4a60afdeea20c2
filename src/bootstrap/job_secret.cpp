// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/job_secret.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <span>
#include <vector>

#include "base/descriptor.hpp"

namespace tutti::bootstrap {

namespace {

constexpr size_t kMaxSecretFileBytes = 64 * 1024;
constexpr mode_t kOthersMask = S_IRWXG | S_IRWXO;
// Each process that finds no key makes one and links it in place, and one of them wins; twice is one more than needed.
constexpr int kMaxKeyAttempts = 4;

Result<std::vector<std::byte>> read_all(const Descriptor& file, const std::string& path) {
  std::vector<std::byte> bytes(kMaxSecretFileBytes + 1);
  size_t filled = 0;
  while (filled < bytes.size()) {
    const ssize_t got = ::read(file.get(), bytes.data() + filled, bytes.size() - filled);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got < 0) {
      return tl::make_unexpected(system_error(errno, fmt::format("read {}", path)));
    }
    if (got == 0) {
      break;
    }
    filled += static_cast<size_t>(got);
  }
  bytes.resize(filled);
  return bytes;
}

// The file is open, so that what is checked is what is read.
Status check_private(const Descriptor& descriptor, const std::string& path, mode_t kind) {
  struct stat facts{};
  if (::fstat(descriptor.get(), &facts) != 0) {
    return system_error(errno, fmt::format("fstat {}", path));
  }
  if ((facts.st_mode & S_IFMT) != kind) {
    return invalid_usage("{} is no {}", path, kind == S_IFDIR ? "directory" : "regular file");
  }
  if (facts.st_uid != ::geteuid() && facts.st_uid != 0) {
    return invalid_usage("{} belongs to user {}, not to user {}", path, facts.st_uid, ::geteuid());
  }
  if ((facts.st_mode & kOthersMask) != 0) {
    return invalid_usage("{} has mode {:04o}, by which others may use it; chmod go= {}", path, facts.st_mode & 07777u, path);
  }
  return {};
}

Result<Key> key_in_file(const Descriptor& file, const std::string& path) {
  TUTTI_UNEXPECTED_IF_ERROR(check_private(file, path, S_IFREG));
  const Result<std::vector<std::byte>> bytes = read_all(file, path);
  if (!bytes) {
    return tl::make_unexpected(bytes.error());
  }
  if (bytes->size() < kKeyBytes || bytes->size() > kMaxSecretFileBytes) {
    return tl::make_unexpected(
        invalid_usage("{} holds {} bytes; {} to {} are wanted", path, bytes->size() > kMaxSecretFileBytes ? "too many" : fmt::to_string(bytes->size()),
                      kKeyBytes, kMaxSecretFileBytes));
  }
  return derive_key(Key{}, std::string_view(reinterpret_cast<const char*>(bytes->data()), bytes->size()), 0);
}

Status make_key(const Descriptor& directory, const std::string& path) {
  Key fresh;
  fill_random(fresh);
  uint64_t suffix = 0;
  fill_random(std::as_writable_bytes(std::span(&suffix, 1)));
  const std::string draft = fmt::format("key.{:016x}", suffix);
  const Descriptor file(::openat(directory.get(), draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file.valid()) {
    return system_error(errno, fmt::format("create {}", path));
  }
  const ssize_t written = ::write(file.get(), fresh.data(), fresh.size());
  const int write_error = written < 0 ? errno : ENOSPC;
  // A link, unlike a rename, never replaces a key that another process has made meanwhile.
  const bool linked = written == static_cast<ssize_t>(fresh.size()) &&
                      ::linkat(directory.get(), draft.c_str(), directory.get(), "key", 0) == 0;
  const int error = written == static_cast<ssize_t>(fresh.size()) ? errno : write_error;
  ::unlinkat(directory.get(), draft.c_str(), 0);
  return linked || error == EEXIST ? Status() : system_error(error, fmt::format("create {}", path));
}

}  // namespace

Result<Key> read_secret_file(const std::string& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file.valid()) {
    return tl::make_unexpected(system_error(errno, fmt::format("TUTTI_SECRET_FILE: open {}", path)));
  }
  Result<Key> key = key_in_file(file, path);
  return key ? key : tl::make_unexpected(Status(key.error().code(), "TUTTI_SECRET_FILE: " + key.error().message()));
}

Result<Key> key_in_directory(const std::string& directory) {
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
    return tl::make_unexpected(system_error(errno, fmt::format("create {}", directory)));
  }
  const Descriptor opened(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!opened.valid()) {
    return tl::make_unexpected(system_error(errno, fmt::format("open {}", directory)));
  }
  TUTTI_UNEXPECTED_IF_ERROR(check_private(opened, directory, S_IFDIR));
  const std::string path = directory + "/key";
  for (int i = 0; i < kMaxKeyAttempts; ++i) {
    const Descriptor file(::openat(opened.get(), "key", O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
    if (file.valid()) {
      return key_in_file(file, path);
    }
    if (errno != ENOENT) {
      return tl::make_unexpected(system_error(errno, fmt::format("open {}", path)));
    }
    TUTTI_UNEXPECTED_IF_ERROR(make_key(opened, path));
  }
  return tl::make_unexpected(failure(tuttiSystemError, "{} vanishes as soon as it is made", path));
}

Result<Key> user_key() {
  if (const char* runtime = std::getenv("XDG_RUNTIME_DIR"); runtime != nullptr && *runtime == '/') {
    if (Result<Key> key = key_in_directory(std::string(runtime) + "/tutti")) {
      return key;
    }
  }
  return key_in_directory(fmt::format("/tmp/tutti-{}", ::geteuid()));
}

}  // namespace tutti::bootstrap
