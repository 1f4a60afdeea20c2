// SPDX-License-Identifier: Apache-2.0
// A table of a model file while it is read: keys are taken one by one, and what is left over is unknown. For the reader only; toml++ is large.
#pragma once

// Without exceptions a parse gives a result, and nothing else can throw.
#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
// Its assertions, some of which a malformed file breaks, come before checks that give an error; and where assertions are off they can be promises to
// the compiler. So they are made to be nothing.
#define TOML_ASSERT(expression) static_assert(true)
#pragma push_macro("NDEBUG")
#undef NDEBUG
#include <toml++/toml.h>
#pragma pop_macro("NDEBUG")
// Which once more decides about our own.
#include <cassert>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.hpp"
#include "topology/model.hpp"

namespace tutti::topology {

// What is wrong with a file: the first complaint stays, with the line and the key it is about.
class Complaints {
 public:
  explicit Complaints(std::string file) : file_(std::move(file)) {}

  void add(uint32_t line, std::string_view key, std::string_view text);
  bool any() const { return !first_.empty(); }
  Status status() const { return any() ? Status(tuttiInvalidArgument, first_) : Status(); }

 private:
  std::string file_;
  std::string first_;
};

// The texts of [sources], by key, with the line of each and whether a figure has named it.
struct Source {
  std::string text;
  uint32_t line = 0;
  bool is_used = false;
};
using Sources = std::map<std::string, Source, std::less<>>;

struct Range {
  uint64_t least = 1;
  uint64_t most = kMostChips;
};

// Getters take a key. When it is absent or wrong they complain, unless it is optional and absent, and give a default.
class Section {
 public:
  enum class Need : uint8_t { required, optional };

  // All three outlive it. `path` is what the table is called: "level[0].effective"; empty: the whole file.
  Section(const toml::table& table, std::string path, Complaints& complaints);

  bool has(std::string_view key) const { return table_.contains(key); }
  bool is_list(std::string_view key) const { return table_.contains(key) && table_.get(key)->is_array(); }
  uint32_t line_of(std::string_view key) const;
  void complain(std::string_view key, std::string_view text);

  std::string text(std::string_view key, Need need);
  uint64_t whole(std::string_view key, Need need, Range range = {});
  bool flag(std::string_view key);
  // One to `most_count` numbers.
  std::vector<uint32_t> wholes(std::string_view key, Need need, size_t most_count);
  std::vector<bool> flags(std::string_view key, size_t most_count);
  // One text, or a list of them.
  std::vector<std::string> texts(std::string_view key, Need need, size_t most_count);
  // The position of a word in `words`.
  size_t word(std::string_view key, Need need, std::span<const std::string_view> words);
  // `source`, one of `sources`, and `confidence`.
  Citation citation(Sources& sources);
  // A quantity in one text.
  template <typename Value>
  Value quantity(std::string_view key, Need need, Result<Value> (*parse)(std::string_view)) {
    const std::string written = text(key, need);
    return written.empty() ? Value{} : convert(key, written, parse);
  }
  template <typename Value>
  Value convert(std::string_view key, std::string_view written, Result<Value> (*parse)(std::string_view)) {
    const Result<Value> value = parse(written);
    if (!value) {
      complain(key, value.error().message());
    }
    return value.value_or(Value{});
  }

  // A table inside this one; nothing if it is absent.
  std::optional<Section> table(std::string_view key, Need need);
  // A list of tables; at most `most_count`.
  std::vector<Section> tables(std::string_view key, Need need, size_t most_count);

  // All keys with their texts: for tables whose keys are the user's.
  std::vector<std::pair<std::string, std::string>> all_texts(size_t most_count);
  // Complains of the first key that nobody has taken.
  void finish();

 private:
  const toml::node* take(std::string_view key, Need need);
  std::string full(std::string_view key) const;
  void complain_at(const toml::node& node, std::string_view key, std::string_view text);
  uint32_t whole_of(const toml::node& node, std::string_view key);

  const toml::table& table_;
  std::string path_;
  Complaints& complaints_;
  uint32_t line_;
  std::vector<std::string> taken_;
};

}  // namespace tutti::topology
