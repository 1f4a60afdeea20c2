// SPDX-License-Identifier: Apache-2.0
// Bad files: each is refused with an error that points at the line and the step.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/hash.hpp"
#include "msccl/import.hpp"
#include "sample_files.hpp"
#include "schedule/verifier.hpp"

namespace tutti::msccl {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

std::string refusal(const std::string& text) {
  const Result<Program> program = parse(text, "bad.xml");
  if (!program) {
    return program.error().message();
  }
  const Result<Imported> imported = import_program(*program);
  return imported ? "" : imported.error().message();
}

// `text` with the `occurrence`th `before` replaced, counted from 0.
std::string with(std::string text, const std::string& before, const std::string& after, int occurrence = 0) {
  size_t at = text.find(before);
  while (at != std::string::npos && occurrence-- > 0) {
    at = text.find(before, at + 1);
  }
  EXPECT_NE(at, std::string::npos) << before;
  return at == std::string::npos ? text : text.replace(at, before.size(), after);
}

// Without its line `number`, counted from 1.
std::string without_line(const std::string& text, int number) {
  size_t begin = 0;
  while (--number > 0) {
    begin = text.find('\n', begin) + 1;
  }
  return text.substr(0, begin) + text.substr(text.find('\n', begin) + 1);
}

const std::string kRing = samples::ring_all_reduce(4);
const std::string kPairs = samples::all_pairs_all_reduce(3);

TEST(MscclRefusals, WhatIsNoXml) {
  EXPECT_EQ(refusal(""), "bad.xml:1: not XML that can be read: no element found");
  EXPECT_THAT(refusal("allreduce"), StartsWith("bad.xml:1: not XML that can be read: "));
  EXPECT_THAT(refusal(kRing.substr(0, kRing.size() / 2)), StartsWith("bad.xml:"));
  EXPECT_THAT(refusal(std::string("\0\0", 2)), StartsWith("bad.xml:1: not XML"));
  EXPECT_EQ(refusal("<!DOCTYPE algo [<!ENTITY a \"aaaa\">]>\n" + kRing), "bad.xml:1: a document type, which these files do not have");
}

TEST(MscclRefusals, WhatIsNoAlgorithm) {
  EXPECT_EQ(refusal("<html/>"), "bad.xml:1: <html> where <algo> is expected");
  EXPECT_EQ(refusal("<algo/>"), "bad.xml:1: <algo> has no coll");
  EXPECT_THAT(refusal(with(kRing, "allreduce", "custom")), StartsWith("bad.xml:1: <algo> has coll \"custom\"; what can be run are allreduce, "));
  EXPECT_EQ(refusal(with(kRing, "ngpus=\"4\"", "ngpus=\"99999999999999999999\"")),
            "bad.xml:1: <algo> has ngpus \"99999999999999999999\", outside 1..4096");
  EXPECT_EQ(refusal(with(kRing, "ngpus=\"4\"", "ngpus=\"four\"")), "bad.xml:1: <algo> has ngpus \"four\", which is not a whole number");
  EXPECT_EQ(refusal(with(kRing, "ngpus=\"4\"", "ngpus=\"5\"")), "bad.xml: no <gpu> with id 4, of 5");
  EXPECT_EQ(refusal(with(kRing, "<gpu id=\"3\"", "<gpu id=\"4\"")), "bad.xml:35: <gpu> has id \"4\", outside 0..3");
  EXPECT_EQ(refusal(with(kRing, "<gpu id=\"3\"", "<gpu id=\"2\"")), "bad.xml:35: a second <gpu> with id 2");
  EXPECT_EQ(refusal(with(kRing, "inplace=\"1\"", "inplace=\"1\" minBytes=\"9\" maxBytes=\"8\"")),
            "bad.xml:1: <algo> has minBytes 9, above its maxBytes 8");
  EXPECT_EQ(refusal(with(samples::ring_all_gather(3, 1, true), "nchunksperloop=\"3\"", "nchunksperloop=\"4\"")),
            "bad.xml: nchunksperloop 4 of allgather is no multiple of its 3 gpus");
}

TEST(MscclRefusals, NumbersThatAreTooLarge) {
  EXPECT_THAT(refusal(with(kRing, "nchunksperloop=\"4\"", "nchunksperloop=\"4000000000\"")), HasSubstr("outside 1..1048576"));
  EXPECT_THAT(refusal(with(kRing, "s_chunks=\"0\"", "s_chunks=\"-1\"")), HasSubstr("bad.xml:2: <gpu> has s_chunks \"-1\", outside 0..1048576"));
  EXPECT_THAT(refusal(with(kRing, "cnt=\"1\"", "cnt=\"1000001\"")),
              HasSubstr("bad.xml:4: gpu 0, tb 0, step 0 (s) names 1000001 chunks from i[0], of which this gpu has 4"));
  EXPECT_THAT(refusal(with(kRing, "cnt=\"1\"", "cnt=\"0\"")), HasSubstr("bad.xml:4: gpu 0, tb 0, step 0: <step> has cnt \"0\", outside 1..1048576"));
  EXPECT_THAT(refusal(with(kRing, "chan=\"0\"", "chan=\"70000\"")), HasSubstr("bad.xml:3: "));
}

TEST(MscclRefusals, AMillionSteps) {
  samples::File file({.collective = "allreduce", .ranks = 1, .chunks = 1});
  file.gpu(0);
  file.block(-1, -1);
  std::string text = file.text();
  std::string steps;
  for (uint32_t step = 0; step < 1'000'000; ++step) {
    steps += "<step s=\"" + std::to_string(step) + "\" type=\"nop\"/>\n";
  }
  text = with(text, "    </tb>", steps + "    </tb>");
  EXPECT_EQ(refusal(text), "bad.xml:524292: gpu 0, tb 0, step 524288: more than 524288 steps in all");
}

TEST(MscclRefusals, WhatIsWrongWithOneStep) {
  EXPECT_EQ(refusal(with(kRing, "type=\"rrs\"", "type=\"jump\"")),
            "bad.xml:5: gpu 0, tb 0, step 1: <step> has type \"jump\"; known are s, r, rcs, rrs, rrc, rrcs, cpy, re and nop");
  EXPECT_EQ(refusal(with(kRing, "srcbuf=\"i\"", "srcbuf=\"x\"")), "bad.xml:4: gpu 0, tb 0, step 0: <step> has srcbuf \"x\", none of i, o, s");
  EXPECT_EQ(refusal(with(kRing, "srcoff=\"0\"", "")), "bad.xml:4: gpu 0, tb 0, step 0: <step> has no srcoff");
  EXPECT_EQ(refusal(without_line(kRing, 6)), "bad.xml:6: gpu 0, tb 0, step 2: <step> has s 3 where 2 is next");
  EXPECT_EQ(refusal(with(kRing, "send=\"1\"", "send=\"-1\"")), "bad.xml:4: gpu 0, tb 0, step 0: s in a tb that sends to nobody");
  EXPECT_EQ(refusal(with(kRing, "send=\"1\"", "send=\"4\"")), "bad.xml:3: gpu 0: <tb> has send \"4\", outside -1..3");
  EXPECT_EQ(refusal(with(kRing, "send=\"1\"", "send=\"0\"")), "bad.xml:3: gpu 0: tb 0 has its own gpu as peer");
  EXPECT_EQ(refusal(with(kRing, "depid=\"-1\" deps=\"-1\"", "depid=\"7\" deps=\"0\"")),
            "bad.xml:4: gpu 0, tb 0, step 0 (s) waits for tb 7, step 0, which is not there");
  EXPECT_EQ(refusal(with(kRing, "depid=\"-1\"", "depid=\"0\"")), "bad.xml:4: gpu 0, tb 0, step 0: <step> has depid 0 and deps -1: both or none are -1");
  EXPECT_THAT(refusal(with(kRing, "srcbuf=\"i\" srcoff=\"0\"", "srcbuf=\"i\" srcoff=\"4\"")),
              HasSubstr("bad.xml:4: gpu 0, tb 0, step 0 (s) names 1 chunks from i[4], of which this gpu has 4"));
  EXPECT_THAT(refusal(with(kRing, "srcbuf=\"i\" srcoff=\"0\"", "srcbuf=\"s\" srcoff=\"0\"")), HasSubstr("from s[0], of which this gpu has 0"));
}

// A step that is left out, its followers renumbered.
TEST(MscclRefusals, ADroppedStep) {
  std::string text = without_line(kRing, 10);  // the last of gpu 0
  EXPECT_EQ(refusal(text), "bad.xml:41: gpu 3, tb 0, step 5 (rcs) sends to gpu 0 what no step there receives");
  text = without_line(samples::chain_broadcast(3), 4);
  text = with(text, "<step s=\"1\"", "<step s=\"0\"");
  EXPECT_THAT(refusal(text), AllOf(HasSubstr("gpu 1, tb 0, step 1 (rcs) finds nothing that gpu 0 sends it on channel 0, which never comes")));
}

TEST(MscclRefusals, AWrongPeer) {
  EXPECT_THAT(refusal(with(kRing, "send=\"2\"", "send=\"3\"")),
              AllOf(HasSubstr("gpu 0, tb 0, step 3 (rrcs) waits for gpu 3 to send"), HasSubstr("finds nothing that gpu 1 sends it on channel 0")));
}

TEST(MscclRefusals, AWrongChunk) {
  EXPECT_EQ(refusal(with(kRing, "srcoff=\"3\" dstbuf=\"i\" dstoff=\"3\"", "srcoff=\"2\" dstbuf=\"i\" dstoff=\"2\"")),
            "bad.xml:5: gpu 0, tb 0, step 1 (rrs) reduces chunk 2 with chunk 3");
  EXPECT_EQ(refusal(with(samples::chain_broadcast(2), "dstbuf=\"o\" dstoff=\"1\"", "dstbuf=\"o\" dstoff=\"0\"", 1)),
            "bad.xml:11: gpu 1 ends with chunk 1 in chunk 0 of its output, where chunk 0 belongs, written by "
            "bad.xml:14: gpu 1, tb 0, step 1 (r), sent by bad.xml:5: gpu 0, tb 0, step 1 (s)");
}

TEST(MscclRefusals, AContributionTwiceOrNever) {
  EXPECT_THAT(refusal(with(kPairs, "type=\"re\" srcbuf=\"s\" srcoff=\"1\"", "type=\"re\" srcbuf=\"s\" srcoff=\"0\"")),
              HasSubstr("step 2 (re) adds what gpus {1} have given to chunk 0 to what {0,1} have, some of it twice"));
  // One that is sent on too early, before the last contribution.
  EXPECT_THAT(refusal(with(kPairs, "type=\"re\" srcbuf=\"s\" srcoff=\"1\" dstbuf=\"i\" dstoff=\"0\" cnt=\"1\"", "type=\"nop\"")),
              HasSubstr("gpu 0 ends with contributions of gpus {0,1} only in chunk 0 of its output, written by bad.xml:5: gpu 0, tb 0, step 1 (re)"));
  EXPECT_THAT(refusal(with(samples::chain_broadcast(3), "type=\"rcs\"", "type=\"rrcs\"")),
              HasSubstr("gpu 1, tb 0, step 0 (rrcs) reads o[0], which holds nothing yet"));
  EXPECT_THAT(refusal(with(samples::chain_broadcast(2), "type=\"cpy\"", "type=\"re\"")),
              HasSubstr("gpu 0, tb 1, step 0 (re) reads o[0], which holds nothing"));
}

TEST(MscclRefusals, AMissingDependency) {
  const std::string text = with(kPairs, "depid=\"0\" deps=\"2\"", "depid=\"-1\" deps=\"-1\"");
  EXPECT_THAT(refusal(text), AllOf(StartsWith("bad.xml"), HasSubstr("sent by bad.xml:11: gpu 0, tb 1, step 2 (s)")));
  // One without which the steps may still go in the right order, or not.
  samples::File file({.collective = "broadcast", .ranks = 2, .chunks = 1});
  file.gpu(0, 1);
  file.block(-1, -1);
  file.step("cpy", "i0", "s0");
  file.step("cpy", "i0", "o0");
  file.block(1, -1);
  file.step("s", "s0", "o0", 1, {0, 0});
  file.gpu(1);
  file.block(-1, 0);
  file.step("r", "o0", "o0");
  EXPECT_EQ(refusal(file.text()), "");
  EXPECT_EQ(refusal(with(file.text(), "depid=\"0\" deps=\"0\"", "depid=\"-1\" deps=\"-1\"")),
            "race: bad.xml:4: gpu 0, tb 0, step 0 (cpy) writes scratch[0] and "
            "bad.xml:8: gpu 0, tb 1, step 0 (s) reads scratch[0], and nothing orders them");
}

TEST(MscclRefusals, ACyclicDependency) {
  const std::string text = with(kPairs, "type=\"s\" srcbuf=\"i\" srcoff=\"1\" dstbuf=\"s\" dstoff=\"0\" cnt=\"1\" depid=\"-1\" deps=\"-1\"",
                                "type=\"s\" srcbuf=\"i\" srcoff=\"1\" dstbuf=\"s\" dstoff=\"0\" cnt=\"1\" depid=\"0\" deps=\"2\"");
  EXPECT_EQ(refusal(text),
            "bad.xml:5: gpu 0, tb 0, step 1 (re) waits for tb 1, step 1, which never comes; bad.xml:9: gpu 0, tb 1, step 0 (s) waits for tb 0, step 2");
}

TEST(MscclRefusals, TwoThreadblocksForOneChannel) {
  EXPECT_EQ(refusal(with(samples::ring_all_reduce(3, 2), "chan=\"1\"", "chan=\"0\"")),
            "bad.xml:10: gpu 0: tb 0 and tb 1 both send to gpu 1 on channel 0");
}

// Numbers and words changed at random: what is still accepted is right, and nothing is ever followed out of bounds.
TEST(MscclRefusals, MutatedFilesAreRefusedOrRight) {
  const std::vector<std::string> files = {kRing, kPairs, samples::two_step_all_to_all(), samples::ring_all_gather(3, 2, false),
                                          samples::direct_reduce_scatter(3, true), samples::chain_broadcast(3)};
  const std::string letters = "0123456789-iosrce";
  size_t refused = 0;
  for (uint64_t seed = 1; seed <= 600; ++seed) {
    std::string text = files[seed % files.size()];
    const size_t steps = text.find("<gpu");
    for (uint64_t change = 0; change <= seed % 3; ++change) {
      const uint64_t drawn = mix64(seed * 8 + change);
      size_t at = steps + drawn % (text.size() - steps);
      at = text.find_first_of("0123456789", at);
      if (at != std::string::npos) {
        text[at] = letters[mix64(drawn) % letters.size()];
      }
    }
    const Result<Program> program = parse(text, "bad.xml");
    const Result<Imported> imported = program ? import_program(*program) : tl::make_unexpected(program.error());
    if (!imported) {
      EXPECT_THAT(imported.error().message(), HasSubstr("bad.xml")) << "seed " << seed;
      ++refused;
      continue;
    }
    EXPECT_EQ(schedule::verify(imported->problem, imported->apart).message(), "") << "seed " << seed;
  }
  EXPECT_GT(refused, 300u);
}

TEST(MscclRefusals, OrdersThatDifferFromRankToRank) {
  // Each adds up both, its own first, as seen from where they meet: the sums are made in one order all the same.
  samples::File swap({.collective = "allreduce", .ranks = 2, .chunks = 1});
  for (int rank = 0; rank < 2; ++rank) {
    swap.gpu(static_cast<uint32_t>(rank));
    swap.block(1 - rank, 1 - rank);
    swap.step("s", "i0", "i0");
    swap.step("rrc", "i0", "o0");
  }
  EXPECT_EQ(refusal(swap.text()), "");
  // Of three ranks, one adds up the others first.
  samples::File sums({.collective = "allreduce", .ranks = 3, .chunks = 1});
  for (int rank = 0; rank < 3; ++rank) {
    sums.gpu(static_cast<uint32_t>(rank), 2);
    const int next = (rank + 1) % 3;
    const int previous = (rank + 2) % 3;
    sums.block(next, previous);
    sums.step("s", "i0", "s0");
    sums.step("r", "i0", "s0");
    sums.block(previous, next);
    sums.step("s", "i0", "s1");
    sums.step("r", "i0", "s1");
    sums.block(-1, -1);
    sums.step("nop", "i-1", "o-1", 0, {0, 1});
    sums.step("re", "s0", "s1", 1, {1, 1});
    sums.step("cpy", "i0", "o0");
    sums.step("re", "s1", "o0");
  }
  EXPECT_THAT(refusal(sums.text()), AllOf(StartsWith("bad.xml: rank 1 reduces output[0] in another order than rank 0")));
}

}  // namespace
}  // namespace tutti::msccl
