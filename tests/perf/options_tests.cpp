// SPDX-License-Identifier: Apache-2.0
#include "options.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>

namespace tutti::perf {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

Options parsed(const std::vector<std::string>& arguments) {
  const auto result = parse_options("all_reduce_perf", arguments);
  if (const auto* early = std::get_if<EarlyExit>(&result)) throw std::runtime_error(early->text);
  return std::get<Options>(result);
}

EarlyExit refused(const std::vector<std::string>& arguments) {
  const auto result = parse_options("all_reduce_perf", arguments);
  if (!std::holds_alternative<EarlyExit>(result)) throw std::runtime_error("accepted");
  return std::get<EarlyExit>(result);
}

TEST(ParseSize, KnowsSuffixesOf1024InEitherCase) {
  EXPECT_EQ(parse_size("8"), 8u);
  EXPECT_EQ(parse_size("0"), 0u);
  EXPECT_EQ(parse_size("2K"), 2048u);
  EXPECT_EQ(parse_size("64M"), size_t{64} << 20);
  EXPECT_EQ(parse_size("1.5m"), size_t{3} << 19);
  EXPECT_EQ(parse_size("3G"), size_t{3} << 30);
}

TEST(ParseSize, RefusesWhatIsNoSize) {
  for (const char* text : {"", "K", "-1", "8T", "8KB", "nan", "inf", "1e30G", "8 "}) {
    EXPECT_THROW((void)parse_size(text), std::invalid_argument) << text;
  }
}

TEST(Options, DefaultsAreThoseOfNcclTests) {
  const Options options = parsed({});
  EXPECT_EQ(options.min_bytes, size_t{32} << 20);
  EXPECT_EQ(options.max_bytes, size_t{32} << 20);
  EXPECT_EQ(options.step_bytes, size_t{1} << 20);
  EXPECT_EQ(options.iterations, 20);
  EXPECT_EQ(options.warmup_iterations, 5);
  EXPECT_EQ(options.aggregated, 1);
  EXPECT_EQ(options.check_iterations, 1);
  EXPECT_EQ(options.root, 0);
  EXPECT_EQ(options.thread_count, 1);
  EXPECT_EQ(options.average, Average::mean);
  EXPECT_EQ(options.waiting, Waiting::once_at_the_end);
  ASSERT_THAT(options.operators, SizeIs(1));
  EXPECT_EQ(options.operators[0].name, "sum");
  ASSERT_THAT(options.datatypes, SizeIs(1));
  EXPECT_EQ(options.datatypes[0].name, "float");
}

TEST(Options, ReadsShortFlags) {
  const Options options =
      parsed({"-b", "8", "-e", "64M", "-f", "4", "-n", "7", "-w", "0", "-m", "3", "-c", "2", "-o", "max", "-d", "half", "-r", "2",
              "-t", "4", "-z", "1", "-T", "9", "-J", "x.json", "-R", "1", "-I", "1", "-a", "2", "--memory", "malloc"});
  EXPECT_EQ(options.min_bytes, 8u);
  EXPECT_EQ(options.step_factor, 4u);
  EXPECT_EQ(options.iterations, 7);
  EXPECT_EQ(options.warmup_iterations, 0);
  EXPECT_EQ(options.aggregated, 3);
  EXPECT_EQ(options.check_iterations, 2);
  EXPECT_EQ(options.operators[0].code, tuttiMax);
  EXPECT_EQ(options.datatypes[0].code, tuttiFloat16);
  EXPECT_EQ(options.root, 2);
  EXPECT_EQ(options.thread_count, 4);
  EXPECT_EQ(options.waiting, Waiting::after_each_call);
  EXPECT_EQ(options.timeout_s, 9);
  EXPECT_EQ(options.output_file, "x.json");
  EXPECT_EQ(options.registration, Registration::local);
  EXPECT_EQ(options.per_iteration, Iterations::timed_one_by_one);
  EXPECT_EQ(options.average, Average::min);
  EXPECT_EQ(options.memory, Memory::ordinary);
}

TEST(Options, ReadsLongFlagsAndAll) {
  const Options options = parsed({"--minbytes", "1K", "--maxbytes=2K", "--op", "all", "--datatype", "all", "--root", "-1"});
  EXPECT_EQ(options.min_bytes, 1024u);
  EXPECT_THAT(options.operators, SizeIs(all_operators().size()));
  EXPECT_THAT(options.datatypes, SizeIs(tuttiNumTypes));
  EXPECT_EQ(options.root, kAllRoots);
  EXPECT_EQ(parsed({"-r", "all"}).root, kAllRoots);
}

TEST(Options, AcceptsTheHeadersNamesOfTypes) {
  EXPECT_EQ(parsed({"-d", "float32"}).datatypes[0].code, tuttiFloat32);
  EXPECT_EQ(parsed({"-d", "float8e4m3"}).datatypes[0].code, tuttiFloat8e4m3);
}

TEST(Options, SaysWhatIsWrong) {
  EXPECT_THAT(refused({"-b", "4M", "-e", "2M"}).text, HasSubstr("--minbytes 4194304 is greater"));
  EXPECT_THAT(refused({"-b", "x"}).text, HasSubstr("--minbytes: 'x'"));
  EXPECT_THAT(refused({"-o", "xor"}).text, HasSubstr("unknown operator 'xor'"));
  EXPECT_THAT(refused({"-d", "int7"}).text, HasSubstr("unknown type 'int7'"));
  EXPECT_THAT(refused({"-d", ""}).text, HasSubstr("unknown type ''"));
  EXPECT_THAT(refused({"-r", "-2"}).text, HasSubstr("-2"));
  EXPECT_THAT(refused({"-r", "1x"}).text, HasSubstr("1x"));
  EXPECT_THAT(refused({"-R", "2"}).text, HasSubstr("symmetric"));
  EXPECT_THAT(refused({"-J", "x.csv"}).text, HasSubstr("x.csv"));
  EXPECT_THAT(refused({"-b", "0", "-e", "8", "-f", "2"}).text, HasSubstr("factor"));
  EXPECT_THAT(refused({"-b", "0", "-e", "8", "-i", "0"}).text, HasSubstr("--stepbytes"));
  for (const auto& wrong : {std::vector<std::string>{"-n", "0"}, {"-t", "0"}, {"-m", "0"}, {"-z", "2"}, {"-a", "4"}, {"--nothing"}}) {
    EXPECT_EQ(refused(wrong).status, 2) << wrong[0];
  }
}

TEST(Options, HelpNamesEachFlagAndSucceeds) {
  const EarlyExit help = refused({"--help"});
  EXPECT_EQ(help.status, 0);
  for (const char* flag : {"--minbytes", "--maxbytes", "--stepbytes", "--stepfactor", "--iters", "--warmup_iters", "--agg_iters",
                           "--check", "--op", "--datatype", "--root", "--nthreads", "--blocking", "--timeout", "--output_file",
                           "--local_register", "--per_iter_timing", "--average"}) {
    EXPECT_THAT(help.text, HasSubstr(flag));
  }
}

TEST(Sizes, StepByFactorOrIncrement) {
  EXPECT_THAT(sizes_of(parsed({"-b", "8", "-e", "200", "-f", "4"})), ElementsAre(8u, 32u, 128u));
  EXPECT_THAT(sizes_of(parsed({"-b", "0", "-e", "10", "-i", "5"})), ElementsAre(0u, 5u, 10u));
  EXPECT_THAT(sizes_of(parsed({"-b", "8", "-e", "8", "-i", "0"})), ElementsAre(8u));
  EXPECT_THAT(sizes_of(parsed({"-b", "0", "-e", "0", "-f", "2"})), ElementsAre(0u));
  EXPECT_THAT(sizes_of(parsed({})), ElementsAre(size_t{32} << 20));
}

}  // namespace
}  // namespace tutti::perf
