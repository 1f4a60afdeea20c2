// SPDX-License-Identifier: Apache-2.0
// The public API as RAII types, for one rank. A benchmark has one answer to a failure: say it and end. So the harness throws Failure,
// and launch.cpp catches it where the rank began.
#pragma once

#include <tutti/tutti.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "options.hpp"

namespace tutti::perf {

class Failure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Throws Failure with the call's name, the code's phrase and tuttiGetLastError's text. `comm` may be NULL.
void require(tuttiResult_t result, std::string_view call, tuttiComm_t comm);

// An initialised communicator. Leaving its scope by an exception aborts it, which also ends the other ranks' waits.
class Communicator {
 public:
  static Communicator from_environment(const Options& options);
  static Communicator from_id(const Options& options, const tuttiUniqueId& id, int rank);

  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;
  Communicator(Communicator&& other) noexcept;
  ~Communicator();

  // Waits for all ranks and frees it. Throws Failure when the communicator had failed.
  void close();

  tuttiComm_t get() const { return comm_; }
  int rank() const { return rank_; }
  int rank_count() const { return rank_count_; }

 private:
  explicit Communicator(tuttiComm_t comm);

  tuttiComm_t comm_;
  int rank_ = 0;
  int rank_count_ = 1;
};

class Stream {
 public:
  Stream();
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  tuttiStream_t get() const { return stream_; }
  void synchronize(const Communicator& communicator) const;

 private:
  tuttiStream_t stream_ = nullptr;
};

// Memory with a guard before and after the data. data() is aligned to a page.
class Buffer {
 public:
  static constexpr size_t kGuardBytes = 256;

  Buffer(size_t bytes, Memory memory);
  ~Buffer();
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  std::byte* data() const { return data_; }
  std::span<std::byte> whole() const { return {whole_, whole_bytes_}; }

 private:
  Memory memory_;
  size_t whole_bytes_;
  std::byte* whole_ = nullptr;
  std::byte* data_ = nullptr;
};

class Registered {
 public:
  Registered(const Communicator& communicator, const Buffer& buffer, Registration registration);
  ~Registered();
  Registered(const Registered&) = delete;
  Registered& operator=(const Registered&) = delete;

 private:
  tuttiComm_t comm_;
  void* handle_ = nullptr;
};

// What ranks tell each other: by collectives of the library itself, and always blocking.
void barrier(const Communicator& communicator, const Stream& stream);
void all_reduce(std::span<double> values, tuttiRedOp_t op, const Communicator& communicator, const Stream& stream);
void all_reduce(std::span<uint64_t> values, tuttiRedOp_t op, const Communicator& communicator, const Stream& stream);
// Rank r's text at index r, on every rank; texts longer than 127 bytes are cut.
std::vector<std::string> all_gather(std::string_view text, const Communicator& communicator, const Stream& stream);

}  // namespace tutti::perf
