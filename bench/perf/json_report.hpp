// SPDX-License-Identifier: Apache-2.0
// -J: the results as a JSON file with the field names nccl-tests uses. Of the environment only TUTTI_* variables are written.
#pragma once

#include <memory>
#include <string>

#include "report.hpp"

namespace tutti::perf {

class JsonReport {
 public:
  // Creates the file at once, so that a wrong path fails before the run. An existing file is kept: then the first free one of
  // <file>.0, <file>.1 ... is taken. Throws Failure.
  explicit JsonReport(const RunInfo& run);
  ~JsonReport();

  const std::string& path() const;
  void add(const Row& row);
  // Writes the file. Without this call, as after a failure, it stays empty.
  void finish(const Summary& summary);

 private:
  struct Document;
  std::unique_ptr<Document> document_;
};

}  // namespace tutti::perf
