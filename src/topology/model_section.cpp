// SPDX-License-Identifier: Apache-2.0
#include "topology/model_section.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace tutti::topology {
namespace {

constexpr size_t kMostTextBytes = 512;

bool has_control_characters(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char character) { return static_cast<unsigned char>(character) < 0x20 || character == 0x7f; });
}

}  // namespace

void Complaints::add(uint32_t line, std::string_view key, std::string_view text) {
  if (first_.empty()) {
    first_ = fmt::format("{}:{}: {}: {}", file_, line, key, text);
  }
}

Section::Section(const toml::table& table, std::string path, Complaints& complaints)
    : table_(table), path_(std::move(path)), complaints_(complaints), line_(std::max<uint32_t>(table.source().begin.line, 1)) {}

std::string Section::full(std::string_view key) const {
  return path_.empty() ? std::string(key) : key.empty() ? path_ : fmt::format("{}.{}", path_, key);
}

uint32_t Section::line_of(std::string_view key) const {
  const toml::node* node = table_.get(key);
  return node == nullptr ? line_ : node->source().begin.line;
}

void Section::complain(std::string_view key, std::string_view text) { complaints_.add(line_of(key), full(key), text); }

void Section::complain_at(const toml::node& node, std::string_view key, std::string_view text) {
  complaints_.add(node.source().begin.line, full(key), text);
}

const toml::node* Section::take(std::string_view key, Need need) {
  if (std::find(taken_.begin(), taken_.end(), key) == taken_.end()) {
    taken_.emplace_back(key);
  }
  const toml::node* node = table_.get(key);
  if (node == nullptr && need == Need::required) {
    complain(key, "is missing");
  }
  return node;
}

std::string Section::text(std::string_view key, Need need) {
  const toml::node* node = take(key, need);
  if (node == nullptr) {
    return {};
  }
  const auto* value = node->as_string();
  if (value == nullptr) {
    complain(key, "is not a text in quotes");
    return {};
  }
  if (value->get().empty() || value->get().size() > kMostTextBytes || has_control_characters(value->get())) {
    complain(key, fmt::format("is not 1 to {} characters of one line", kMostTextBytes));
    return {};
  }
  return value->get();
}

uint64_t Section::whole(std::string_view key, Need need, Range range) {
  const toml::node* node = take(key, need);
  if (node == nullptr) {
    return 0;
  }
  const auto* value = node->as_integer();
  if (value == nullptr) {
    complain(key, "is not a whole number");
    return 0;
  }
  if (value->get() < 0) {
    complain(key, fmt::format("{} is negative", value->get()));
    return 0;
  }
  const auto number = static_cast<uint64_t>(value->get());
  if (number < range.least || number > range.most) {
    complain(key, fmt::format("{} is not {} to {}", number, range.least, range.most));
    return 0;
  }
  return number;
}

bool Section::flag(std::string_view key) {
  const toml::node* node = take(key, Need::optional);
  if (node == nullptr) {
    return false;
  }
  if (node->as_boolean() == nullptr) {
    complain(key, "is neither true nor false");
    return false;
  }
  return node->as_boolean()->get();
}

uint32_t Section::whole_of(const toml::node& node, std::string_view key) {
  const auto* value = node.as_integer();
  if (value == nullptr) {
    complain_at(node, key, "is not a list of whole numbers");
    return 1;
  }
  if (value->get() < 0) {
    complain_at(node, key, fmt::format("{} is negative", value->get()));
    return 1;
  }
  if (value->get() < 1 || value->get() > int64_t{kMostChips}) {
    complain_at(node, key, fmt::format("{} is not 1 to {}", value->get(), kMostChips));
    return 1;
  }
  return static_cast<uint32_t>(value->get());
}

std::vector<uint32_t> Section::wholes(std::string_view key, Need need, size_t most_count) {
  const toml::node* node = take(key, need);
  if (node == nullptr) {
    return {};
  }
  const toml::array* values = node->as_array();
  if (values == nullptr || values->empty() || values->size() > most_count) {
    complain(key, fmt::format("is not a list of 1 to {} whole numbers", most_count));
    return {};
  }
  std::vector<uint32_t> result;
  for (const toml::node& value : *values) {
    result.push_back(whole_of(value, key));
  }
  return result;
}

std::vector<bool> Section::flags(std::string_view key, size_t most_count) {
  const toml::node* node = take(key, Need::required);
  const toml::array* values = node == nullptr ? nullptr : node->as_array();
  std::vector<bool> result;
  if (values != nullptr && values->size() <= most_count) {
    for (const toml::node& value : *values) {
      if (value.as_boolean() == nullptr) {
        complain_at(value, key, "is not a list of true and false");
      }
      result.push_back(value.as_boolean() != nullptr && value.as_boolean()->get());
    }
  }
  return result;
}

std::vector<std::string> Section::texts(std::string_view key, Need need, size_t most_count) {
  const toml::node* node = take(key, need);
  if (node == nullptr) {
    return {};
  }
  const toml::array* values = node->as_array();
  if (values == nullptr) {
    const std::string one = text(key, need);
    return one.empty() ? std::vector<std::string>() : std::vector<std::string>{one};
  }
  if (values->empty() || values->size() > most_count) {
    complain(key, fmt::format("is not a list of 1 to {} texts", most_count));
    return {};
  }
  std::vector<std::string> result;
  for (const toml::node& value : *values) {
    if (value.as_string() == nullptr) {
      complain_at(value, key, "is not a text in quotes");
      return {};
    }
    result.push_back(value.as_string()->get());
  }
  return result;
}

size_t Section::word(std::string_view key, Need need, std::span<const std::string_view> words) {
  const std::string written = text(key, need);
  const auto found = std::find(words.begin(), words.end(), written);
  if (found == words.end()) {
    if (!written.empty()) {
      complain(key, fmt::format("\"{}\" is none of {}", written, fmt::join(words, ", ")));
    }
    return 0;
  }
  return static_cast<size_t>(found - words.begin());
}

Citation Section::citation(Sources& sources) {
  static constexpr std::string_view kConfidences[] = {"found", "derived", "recalled"};
  Citation result;
  const std::string key = text("source", Need::required);
  const auto found = sources.find(key);
  if (found != sources.end()) {
    found->second.is_used = true;
    result.source = found->second.text;
  } else if (!key.empty()) {
    complain("source", fmt::format("\"{}\" is not a key of [sources]", key));
  }
  result.confidence = static_cast<Confidence>(word("confidence", Need::optional, kConfidences));
  return result;
}

std::optional<Section> Section::table(std::string_view key, Need need) {
  const toml::node* node = take(key, need);
  if (node == nullptr) {
    return std::nullopt;
  }
  if (node->as_table() == nullptr) {
    complain(key, "is not a table");
    return std::nullopt;
  }
  return Section(*node->as_table(), full(key), complaints_);
}

std::vector<Section> Section::tables(std::string_view key, Need need, size_t most_count) {
  const toml::node* node = take(key, need);
  if (node == nullptr) {
    return {};
  }
  const toml::array* values = node->as_array();
  if (values == nullptr || values->empty() || values->size() > most_count) {
    complain(key, fmt::format("is not a list of 1 to {} tables", most_count));
    return {};
  }
  std::vector<Section> result;
  for (size_t index = 0; index < values->size(); ++index) {
    const toml::table* table = values->get(index)->as_table();
    if (table == nullptr) {
      complain_at(*values->get(index), key, "is not a table");
      return {};
    }
    result.emplace_back(*table, fmt::format("{}[{}]", full(key), index), complaints_);
  }
  return result;
}

std::vector<std::pair<std::string, std::string>> Section::all_texts(size_t most_count) {
  std::vector<std::pair<std::string, std::string>> result;
  for (const auto& [key, node] : table_) {
    if (result.size() == most_count) {
      complain_at(node, key.str(), fmt::format("is one more than the {} that are allowed", most_count));
      break;
    }
    result.emplace_back(key.str(), text(key.str(), Need::required));
  }
  return result;
}

void Section::finish() {
  const toml::key* first = nullptr;
  for (const auto& [key, node] : table_) {
    const bool known = std::find(taken_.begin(), taken_.end(), key.str()) != taken_.end();
    if (!known && (first == nullptr || key.source().begin.line < first->source().begin.line)) {
      first = &key;
    }
  }
  if (first != nullptr) {
    complaints_.add(first->source().begin.line, full(std::string_view(first->str()).substr(0, 64)),
                    fmt::format("is unknown; known here: {}", fmt::join(taken_, ", ")));
  }
}

}  // namespace tutti::topology
