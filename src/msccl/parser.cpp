// SPDX-License-Identifier: Apache-2.0
// From XML to a program. Expat tells elements as they come; what is wrong with one is noted with its line, and ends the parsing.
#include <expat.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <map>
#include <memory>
#include <tuple>
#include <utility>

#include "base/descriptor.hpp"
#include "msccl/program.hpp"

namespace tutti::msccl {
namespace {

using schedule::Collective;

constexpr size_t kMostNameBytes = 128;
constexpr size_t kMostQuotedBytes = 40;

// The attributes of one element, which Expat lists as name, value, name, value, ..., null.
class Attributes {
 public:
  Attributes(std::string_view element, const XML_Char** pairs) : element_(element), pairs_(pairs) {}

  const char* find(std::string_view name) const {
    for (const XML_Char** pair = pairs_; *pair != nullptr; pair += 2) {
      if (name == pair[0]) {
        return pair[1];
      }
    }
    return nullptr;
  }

  Status text(std::string_view name, std::string_view* value) const {
    const char* const found = find(name);
    if (found == nullptr) {
      return invalid_argument("<{}> has no {}", element_, name);
    }
    *value = found;
    return {};
  }

  struct Range {
    int64_t least = 0;
    int64_t most = 0;
  };
  Status number(std::string_view name, Range range, int64_t* value) const {
    std::string_view digits;
    TUTTI_RETURN_IF_ERROR(text(name, &digits));
    int64_t number = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (error == std::errc::result_out_of_range || (error == std::errc() && (number < range.least || number > range.most))) {
      return invalid_argument("<{}> has {} \"{}\", outside {}..{}", element_, name, digits.substr(0, kMostQuotedBytes), range.least, range.most);
    }
    if (error != std::errc() || end != digits.data() + digits.size()) {
      return invalid_argument("<{}> has {} \"{}\", which is not a whole number", element_, name, digits.substr(0, kMostQuotedBytes));
    }
    *value = number;
    return {};
  }
  // The same where the attribute may be missing: `value` is left as it is.
  Status optional_number(std::string_view name, Range range, int64_t* value) const {
    return find(name) == nullptr ? Status() : number(name, range, value);
  }

 private:
  std::string_view element_;
  const XML_Char** pairs_;
};

// A number that may be -1, for none.
uint32_t or_none(int64_t number) { return number < 0 ? kNone : static_cast<uint32_t>(number); }

Result<Collective> collective_of(std::string_view word) {
  if (word == "reduce_scatter") {
    return Collective::reduce_scatter;
  }
  const Result<Collective> collective = schedule::collective_named(word);
  if (!collective || *collective == Collective::barrier) {
    return tl::make_unexpected(invalid_argument(
        "<algo> has coll \"{}\"; what can be run are allreduce, reduce, broadcast, allgather, reduce_scatter, alltoall, gather and scatter",
        word.substr(0, kMostQuotedBytes)));
  }
  return collective;
}

Result<StepType> type_of(std::string_view word) {
  for (auto type = StepType::send; type <= StepType::nop; type = static_cast<StepType>(static_cast<uint8_t>(type) + 1)) {
    if (word_of(type) == word) {
      return type;
    }
  }
  return tl::make_unexpected(
      invalid_argument("<step> has type \"{}\"; known are s, r, rcs, rrs, rrc, rrcs, cpy, re and nop", word.substr(0, kMostQuotedBytes)));
}

class Parser {
 public:
  explicit Parser(std::string file) { program_.file = std::move(file); }

  Result<Program> parse(std::string_view text);

 private:
  enum class Depth : uint8_t { outside, algo, gpu, block, step };

  static void on_start(void* parser, const XML_Char* name, const XML_Char** attributes) {
    static_cast<Parser*>(parser)->start(name, attributes);
  }
  static void on_end(void* parser, const XML_Char*) { static_cast<Parser*>(parser)->end(); }
  static void on_doctype(void* parser, const XML_Char*, const XML_Char*, const XML_Char*, int) {
    static_cast<Parser*>(parser)->stop(invalid_argument("a document type, which these files do not have"));
  }

  void start(std::string_view name, const XML_Char** attributes);
  void end();
  void stop(const Status& why);
  Status begin(std::string_view name, const Attributes& attributes);
  Status begin_algo(const Attributes& attributes);
  Status begin_gpu(const Attributes& attributes);
  Status begin_block(const Attributes& attributes);
  Status begin_step(const Attributes& attributes);
  static Status read_place(const Attributes& attributes, std::string_view buffer, std::string_view slot, Place* place);
  Status read_wait(const Attributes& attributes, Step* step) const;
  // "gpu 3, tb 1, step 4", as far as the parser has come.
  std::string here() const;
  uint32_t line() const { return static_cast<uint32_t>(XML_GetCurrentLineNumber(expat_)); }

  Status check() const;
  Status check_gpu(uint32_t rank) const;
  Status check_block(uint32_t rank, uint32_t block) const;
  Status check_channels() const;
  template <typename... Args>
  Status error_at(uint32_t line, fmt::format_string<Args...> format, Args&&... args) const {
    return invalid_argument("{}:{}: {}", program_.file, line, fmt::format(format, std::forward<Args>(args)...));
  }

  XML_Parser expat_ = nullptr;  // while parse() runs
  Depth depth_ = Depth::outside;
  Status failure_;
  Program program_;
  uint32_t rank_count_ = 0;
  uint32_t step_count_ = 0;
  uint32_t rank_ = 0;   // of the gpu that the parser is in
  uint32_t block_ = 0;  // and of the tb
  std::vector<std::vector<bool>> has_block_;
  std::vector<bool> has_gpu_;
};

Result<Program> Parser::parse(std::string_view text) {
  if (text.size() > kMostFileBytes) {
    return tl::make_unexpected(invalid_argument("{}: {} bytes are more than {}", program_.file, text.size(), kMostFileBytes));
  }
  const std::unique_ptr<XML_ParserStruct, void (*)(XML_Parser)> expat(XML_ParserCreate(nullptr), XML_ParserFree);
  if (expat == nullptr) {
    return tl::make_unexpected(internal_error("{}: no memory for a parser", program_.file));
  }
  expat_ = expat.get();
  XML_SetUserData(expat_, this);
  XML_SetElementHandler(expat_, on_start, on_end);
  XML_SetStartDoctypeDeclHandler(expat_, on_doctype);
  const XML_Status status = XML_Parse(expat_, text.data(), static_cast<int>(text.size()), XML_TRUE);
  if (failure_.ok() && status != XML_STATUS_OK) {
    failure_ = error_at(line(), "not XML that can be read: {}", XML_ErrorString(XML_GetErrorCode(expat_)));
  }
  if (failure_.ok()) {
    failure_ = check();
  }
  if (!failure_.ok()) {
    return tl::make_unexpected(failure_);
  }
  return std::move(program_);
}

void Parser::stop(const Status& why) {
  if (failure_.ok()) {
    const std::string place = here();
    failure_ = error_at(line(), "{}{}{}", place, place.empty() ? "" : ": ", why.message());
    XML_StopParser(expat_, XML_FALSE);
  }
}

void Parser::start(std::string_view name, const XML_Char** attributes) {
  if (!failure_.ok()) {
    return;  // Expat may tell what it has read already
  }
  if (const Status status = begin(name, Attributes(name, attributes)); !status.ok()) {
    stop(status);
  }
}

void Parser::end() {
  if (failure_.ok()) {
    depth_ = static_cast<Depth>(static_cast<uint8_t>(depth_) - 1);
  }
}

std::string Parser::here() const {
  std::string text;
  if (depth_ >= Depth::gpu) {
    text += fmt::format("gpu {}", rank_);
  }
  if (depth_ >= Depth::block) {
    text += fmt::format(", tb {}, step {}", block_, program_.gpus[rank_].blocks[block_].steps.size() - (depth_ == Depth::step ? 1 : 0));
  }
  return text;
}

Status Parser::begin(std::string_view name, const Attributes& attributes) {
  struct Element {
    std::string_view name;
    Status (Parser::*begin)(const Attributes& attributes);
  };
  static constexpr Element kElements[] = {
      {"algo", &Parser::begin_algo}, {"gpu", &Parser::begin_gpu}, {"tb", &Parser::begin_block}, {"step", &Parser::begin_step}};
  if (depth_ == Depth::step) {
    return invalid_argument("<{}> inside a <step>", name.substr(0, kMostQuotedBytes));
  }
  const Element& expected = kElements[static_cast<size_t>(depth_)];
  if (name != expected.name) {
    return invalid_argument("<{}> where <{}> is expected", name.substr(0, kMostQuotedBytes), expected.name);
  }
  TUTTI_RETURN_IF_ERROR((this->*expected.begin)(attributes));
  depth_ = static_cast<Depth>(static_cast<uint8_t>(depth_) + 1);
  return {};
}

Status Parser::begin_algo(const Attributes& attributes) {
  std::string_view word;
  TUTTI_RETURN_IF_ERROR(attributes.text("coll", &word));
  const Result<Collective> collective = collective_of(word);
  if (!collective) {
    return collective.error();
  }
  program_.collective = *collective;
  program_.name = attributes.find("name") == nullptr ? "unnamed" : std::string_view(attributes.find("name")).substr(0, kMostNameBytes);
  int64_t number = 0;
  TUTTI_RETURN_IF_ERROR(attributes.number("ngpus", {1, kMostRanks}, &number));
  rank_count_ = static_cast<uint32_t>(number);
  program_.gpus.resize(rank_count_);
  has_gpu_.resize(rank_count_);
  has_block_.resize(rank_count_);
  TUTTI_RETURN_IF_ERROR(attributes.number("nchunksperloop", {1, kMostChunks}, &number));
  program_.chunk_count = static_cast<uint32_t>(number);
  int64_t in_place = 0;
  TUTTI_RETURN_IF_ERROR(attributes.optional_number("inplace", {0, 1}, &in_place));
  int64_t out_of_place = in_place == 1 ? 0 : 1;
  TUTTI_RETURN_IF_ERROR(attributes.optional_number("outofplace", {0, 1}, &out_of_place));
  program_.is_in_place = in_place == 1 && out_of_place == 0;  // what is for both cannot rely on one memory
  int64_t root = -1;
  TUTTI_RETURN_IF_ERROR(attributes.optional_number("root", {0, int64_t{rank_count_} - 1}, &root));
  if (root >= 0 && schedule::is_rooted(program_.collective)) {
    program_.root = static_cast<uint32_t>(root);
  }
  int64_t least = 0;
  int64_t most = 0;
  TUTTI_RETURN_IF_ERROR(attributes.optional_number("minBytes", {0, INT64_MAX}, &least));
  TUTTI_RETURN_IF_ERROR(attributes.optional_number("maxBytes", {0, INT64_MAX}, &most));
  program_.least_bytes = static_cast<uint64_t>(least);
  program_.most_bytes = most == 0 ? UINT64_MAX : static_cast<uint64_t>(most);
  if (program_.least_bytes > program_.most_bytes) {
    return invalid_argument("<algo> has minBytes {}, above its maxBytes {}", least, most);
  }
  return {};
}

Status Parser::begin_gpu(const Attributes& attributes) {
  int64_t id = 0;
  TUTTI_RETURN_IF_ERROR(attributes.number("id", {0, int64_t{rank_count_} - 1}, &id));
  if (has_gpu_[static_cast<size_t>(id)]) {
    return invalid_argument("a second <gpu> with id {}", id);
  }
  has_gpu_[static_cast<size_t>(id)] = true;
  rank_ = static_cast<uint32_t>(id);
  Gpu& gpu = program_.gpus[rank_];
  gpu.line = line();
  int64_t scratch = 0;
  TUTTI_RETURN_IF_ERROR(attributes.number("s_chunks", {0, kMostChunks}, &scratch));
  gpu.scratch_slots = static_cast<uint32_t>(scratch);
  return {};
}

Status Parser::begin_block(const Attributes& attributes) {
  std::vector<Block>& blocks = program_.gpus[rank_].blocks;
  std::vector<bool>& has = has_block_[rank_];
  int64_t id = 0;
  int64_t send = 0;
  int64_t receive = 0;
  int64_t channel = 0;
  TUTTI_RETURN_IF_ERROR(attributes.number("id", {0, int64_t{kMostChannels} * 4}, &id));
  TUTTI_RETURN_IF_ERROR(attributes.number("send", {-1, int64_t{rank_count_} - 1}, &send));
  TUTTI_RETURN_IF_ERROR(attributes.number("recv", {-1, int64_t{rank_count_} - 1}, &receive));
  TUTTI_RETURN_IF_ERROR(attributes.number("chan", {0, kMostChannels - 1}, &channel));
  block_ = static_cast<uint32_t>(id);
  if (block_ >= blocks.size()) {
    blocks.resize(block_ + 1);
    has.resize(block_ + 1);
  }
  if (has[block_]) {
    return invalid_argument("a second <tb> with id {}", id);
  }
  has[block_] = true;
  blocks[block_] = {.send_to = or_none(send),
                    .receive_from = or_none(receive),
                    .channel = static_cast<uint32_t>(channel),
                    .steps = {},
                    .line = line()};
  for (const int64_t peer : {send, receive}) {
    if (peer == int64_t{rank_}) {
      return invalid_argument("tb {} has its own gpu as peer", id);
    }
  }
  return {};
}

Status Parser::read_place(const Attributes& attributes, std::string_view buffer, std::string_view slot, Place* place) {
  std::string_view letter;
  TUTTI_RETURN_IF_ERROR(attributes.text(buffer, &letter));
  if (letter != "i" && letter != "o" && letter != "s") {
    return invalid_argument("<step> has {} \"{}\", none of i, o, s", buffer, letter.substr(0, kMostQuotedBytes));
  }
  place->memory = letter == "i" ? Memory::input : letter == "o" ? Memory::output : Memory::scratch;
  int64_t number = 0;
  TUTTI_RETURN_IF_ERROR(attributes.number(slot, {0, kMostChunks - 1}, &number));
  place->slot = static_cast<uint32_t>(number);
  return {};
}

Status Parser::read_wait(const Attributes& attributes, Step* step) const {
  int64_t block = -1;
  int64_t awaited = -1;
  TUTTI_RETURN_IF_ERROR(attributes.optional_number("depid", {-1, int64_t{kMostChannels} * 4}, &block));
  TUTTI_RETURN_IF_ERROR(attributes.optional_number("deps", {-1, kMostSteps}, &awaited));
  if ((block < 0) != (awaited < 0)) {
    return invalid_argument("<step> has depid {} and deps {}: both or none are -1", block, awaited);
  }
  step->awaited_block = or_none(block);
  step->awaited_step = or_none(awaited);
  return {};
}

Status Parser::begin_step(const Attributes& attributes) {
  Block& block = program_.gpus[rank_].blocks[block_];
  if (++step_count_ > kMostSteps) {
    return invalid_argument("more than {} steps in all", kMostSteps);
  }
  int64_t number = 0;
  TUTTI_RETURN_IF_ERROR(attributes.number("s", {0, kMostSteps}, &number));
  if (static_cast<uint64_t>(number) != block.steps.size()) {
    return invalid_argument("<step> has s {} where {} is next", number, block.steps.size());
  }
  std::string_view word;
  TUTTI_RETURN_IF_ERROR(attributes.text("type", &word));
  const Result<StepType> type = type_of(word);
  if (!type) {
    return type.error();
  }
  Step step{.type = *type, .source = {}, .target = {}, .count = 0, .line = line()};
  TUTTI_RETURN_IF_ERROR(read_wait(attributes, &step));
  if (*type != StepType::nop) {
    TUTTI_RETURN_IF_ERROR(attributes.number("cnt", {1, kMostChunks}, &number));
    step.count = static_cast<uint32_t>(number);
  }
  if (has_source(*type)) {
    TUTTI_RETURN_IF_ERROR(read_place(attributes, "srcbuf", "srcoff", &step.source));
  }
  if (has_target(*type)) {
    TUTTI_RETURN_IF_ERROR(read_place(attributes, "dstbuf", "dstoff", &step.target));
  }
  if (sends(*type) && block.send_to == kNone) {
    return invalid_argument("{} in a tb that sends to nobody", word);
  }
  if (receives(*type) && block.receive_from == kNone) {
    return invalid_argument("{} in a tb that receives from nobody", word);
  }
  block.steps.push_back(step);
  return {};
}

Status Parser::check() const {
  for (uint32_t rank = 0; rank < rank_count_; ++rank) {
    if (!has_gpu_[rank]) {
      return invalid_argument("{}: no <gpu> with id {}, of {}", program_.file, rank, rank_count_);
    }
    TUTTI_RETURN_IF_ERROR(check_gpu(rank));
  }
  return check_channels();
}

Status Parser::check_gpu(uint32_t rank) const {
  const Gpu& gpu = program_.gpus[rank];
  for (uint32_t block = 0; block < gpu.blocks.size(); ++block) {
    if (!has_block_[rank][block]) {
      return error_at(gpu.line, "gpu {}: no <tb> with id {}, of {}", rank, block, gpu.blocks.size());
    }
    TUTTI_RETURN_IF_ERROR(check_block(rank, block));
  }
  return {};
}

Status Parser::check_block(uint32_t rank, uint32_t block) const {
  const std::vector<Block>& blocks = program_.gpus[rank].blocks;
  for (uint32_t index = 0; index < blocks[block].steps.size(); ++index) {
    const Step& step = blocks[block].steps[index];
    if (step.awaited_block == kNone) {
      continue;
    }
    if (step.awaited_block >= blocks.size() || step.awaited_step >= blocks[step.awaited_block].steps.size()) {
      return invalid_argument("{} waits for tb {}, step {}, which is not there", program_.place_of(rank, block, index), step.awaited_block,
                              step.awaited_step);
    }
  }
  return {};
}

Status Parser::check_channels() const {
  std::map<std::tuple<uint32_t, uint32_t, uint32_t, bool>, uint32_t> block_at;  // by rank, peer, channel, direction
  for (uint32_t rank = 0; rank < rank_count_; ++rank) {
    const std::vector<Block>& blocks = program_.gpus[rank].blocks;
    for (uint32_t block = 0; block < blocks.size(); ++block) {
      for (const bool is_sending : {true, false}) {
        const uint32_t peer = is_sending ? blocks[block].send_to : blocks[block].receive_from;
        if (peer == kNone) {
          continue;
        }
        const auto [there, is_first] = block_at.try_emplace({rank, peer, blocks[block].channel, is_sending}, block);
        if (!is_first) {
          return error_at(blocks[block].line, "gpu {}: tb {} and tb {} both {} gpu {} on channel {}", rank, there->second, block,
                          is_sending ? "send to" : "receive from", peer, blocks[block].channel);
        }
      }
    }
  }
  return {};
}

// All of the file, if it is no longer than is read.
Result<std::string> contents_of(const std::string& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat about = {};
  if (!file.valid() || ::fstat(file.get(), &about) != 0) {
    return tl::make_unexpected(system_error(errno, path));
  }
  if (!S_ISREG(about.st_mode)) {
    return tl::make_unexpected(invalid_argument("{}: not a file", path));
  }
  if (static_cast<uint64_t>(about.st_size) > kMostFileBytes) {
    return tl::make_unexpected(invalid_argument("{}: {} bytes are more than {}", path, about.st_size, kMostFileBytes));
  }
  std::string text(static_cast<size_t>(about.st_size), '\0');
  size_t filled = 0;
  while (filled < text.size()) {
    const ssize_t got = ::read(file.get(), text.data() + filled, text.size() - filled);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got < 0) {
      return tl::make_unexpected(system_error(errno, path));
    }
    if (got == 0) {
      break;  // it has become shorter
    }
    filled += static_cast<size_t>(got);
  }
  text.resize(filled);
  return text;
}

}  // namespace

Result<Program> parse(std::string_view text, std::string file) { return Parser(std::move(file)).parse(text); }

Result<Program> read(const std::string& path) {
  const Result<std::string> text = contents_of(path);
  if (!text) {
    return tl::make_unexpected(text.error());
  }
  const size_t slash = path.rfind('/');
  return parse(*text, slash == std::string::npos ? path : path.substr(slash + 1));
}

}  // namespace tutti::msccl
