// SPDX-License-Identifier: Apache-2.0
// Connections from those who are no rank, and from a rank that means harm: they speak to the socket directly.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <set>

#include "base/authentication.hpp"
#include "base/hash.hpp"
#include "support.hpp"
#include "transports/shm/address.hpp"
#include "transports/shm/introduction.hpp"
#include "transports/shm/local_socket.hpp"
#include "transports/shm/segment.hpp"
#include "transports/shm/window_exchange.hpp"

namespace tutti::transports::shm {
namespace {

using transport::PeerState;

constexpr uint32_t kOfferMagic = 0x324f5354;

using OfferWords = std::array<uint32_t, 8>;  // magic, geometry, an unused word and the mark

SocketName socket_of(Rank& rank) {
  const Result<Address> address = decode(rank->address());
  EXPECT_TRUE(address.has_value());
  return address->socket_name;
}

Descriptor knock_at(Rank& rank) {
  Result<Descriptor> socket = connect_locally(socket_of(rank));
  EXPECT_TRUE(socket.has_value() && socket->valid());
  return std::move(*socket);
}

bool is_closed(const Descriptor& socket) {
  std::array<std::byte, 512> buffer;
  Transferred received = receive_some(socket, buffer);
  while (received.outcome == Transfer::done) received = receive_some(socket, buffer);
  return received.outcome == Transfer::closed;
}

void expect_connectable(World& world) {
  world.connect_all();
  world.poll();
  EXPECT_EQ(world[0]->state(1), PeerState::connected);
  EXPECT_EQ(world[1]->state(0), PeerState::connected);
}

// What a transport of communicator 77 with the secret 0 knows.
Identity identity_of(uint32_t rank, uint32_t rank_count) {
  return {.claim = {rank, rank_count, hash_combine(0x73686d206c696e6b, 77)}, .key = derive_key({}, "shm link", 77), .geometry = {}};
}

TEST(ShmStranger, GarbageIsSentAwayAndStopsNobody) {
  World world(2);
  std::vector<Descriptor> strangers;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    strangers.push_back(knock_at(world[1]));
    ASSERT_EQ(send_some(strangers.back(), pattern(400, seed)).outcome, Transfer::done);
  }
  expect_connectable(world);
  for (const Descriptor& stranger : strangers) EXPECT_TRUE(is_closed(stranger));
}

TEST(ShmStranger, SilenceEndsWithTheDeadline) {
  World world(2);
  const size_t before = open_descriptor_count();
  {
    std::vector<Descriptor> strangers;
    for (int count = 0; count < 10; ++count) strangers.push_back(knock_at(world[1]));
    expect_connectable(world);
    EXPECT_FALSE(is_closed(strangers[0]));
    world.advance_ns(10'000 * kMillisecondNs);
    world.poll();
    for (const Descriptor& stranger : strangers) EXPECT_TRUE(is_closed(stranger));
  }
  // A socket and a watch for each end of the link.
  EXPECT_EQ(open_descriptor_count(), before + 4);
}

TEST(ShmStranger, MoreThanCanWaitAreServedInTurn) {
  World world(2);
  std::vector<Descriptor> strangers;
  for (int count = 0; count < 100; ++count) strangers.push_back(knock_at(world[1]));
  world.connect_all();
  world.poll();
  EXPECT_EQ(world[0]->state(1), PeerState::connecting);  // behind them in the queue
  for (int round = 0; round < 2; ++round) {
    world.advance_ns(10'000 * kMillisecondNs);
    world.poll();
  }
  EXPECT_EQ(world[0]->state(1), PeerState::connected);
  EXPECT_EQ(world[1]->state(0), PeerState::connected);
}

// A rank 0 that knows the secret, and what rank 1 makes of the offer it makes.
class ShmOffer : public ::testing::Test {
 protected:
  ShmOffer() {
    world_.connect(1, 0);
    socket_ = knock_at(world_[1]);
    Handshake handshake(Handshake::Side::connecting, identity_.key, identity_.claim);
    for (int turn = 0; turn < kManyPolls && handshake.state() == Handshake::State::running; ++turn) {
      if (!handshake.outgoing().empty()) handshake.written(send_some(socket_, handshake.outgoing()).byte_count);
      world_.poll(1);
      std::array<std::byte, 256> buffer;
      const Transferred received = receive_some(socket_, std::span(buffer).first(std::min(buffer.size(), handshake.wanted())));
      if (received.outcome == Transfer::done) handshake.received(std::span(buffer).first(received.byte_count));
    }
    EXPECT_EQ(handshake.state(), Handshake::State::done);
    EXPECT_EQ(world_[1]->state(0), PeerState::connecting);
  }

  void offer(const OfferWords& words, const Descriptor& memfd) {
    ASSERT_EQ(send_with_descriptor(socket_, std::as_bytes(std::span(words)), memfd).outcome, Transfer::done);
    world_.poll();
  }
  void expect_refusal() {
    EXPECT_EQ(world_[1]->link(0), nullptr);
    EXPECT_TRUE(is_closed(socket_));
    EXPECT_EQ(mapped_segment_count(), 0u);
  }
  static Descriptor memory_of(size_t byte_count, int seals) {
    Descriptor memfd(::memfd_create("offered", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    EXPECT_EQ(::ftruncate(memfd.get(), static_cast<off_t>(byte_count)), 0);
    EXPECT_EQ(::fcntl(memfd.get(), F_ADD_SEALS, seals), 0);
    return memfd;
  }

  static constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
  Identity identity_ = identity_of(0, 2);
  Geometry geometry_;
  World world_{2};
  Descriptor socket_;
};

TEST_F(ShmOffer, AGoodOneIsAccepted) {
  offer({kOfferMagic, geometry_.slot_bytes, geometry_.slot_count}, memory_of(segment_bytes(geometry_), kSeals));
  EXPECT_NE(world_[1]->link(0), nullptr);
  EXPECT_FALSE(is_closed(socket_));
}

TEST_F(ShmOffer, MemoryThatMayShrinkIsRefused) {
  offer({kOfferMagic, geometry_.slot_bytes, geometry_.slot_count}, memory_of(segment_bytes(geometry_), F_SEAL_GROW));
  expect_refusal();
}

TEST_F(ShmOffer, MemoryThatIsTooSmallIsRefused) {
  offer({kOfferMagic, geometry_.slot_bytes, geometry_.slot_count}, memory_of(segment_bytes(geometry_) - 1, kSeals));
  expect_refusal();
}

TEST_F(ShmOffer, MemoryThatMayNotBeWrittenIsRefused) {
  offer({kOfferMagic, geometry_.slot_bytes, geometry_.slot_count}, memory_of(segment_bytes(geometry_), kSeals | F_SEAL_WRITE));
  expect_refusal();
}

TEST_F(ShmOffer, AnImpossibleGeometryIsRefused) {
  offer({kOfferMagic, UINT32_MAX, UINT32_MAX}, memory_of(segment_bytes(geometry_), kSeals));
  expect_refusal();
}

TEST_F(ShmOffer, AFileIsRefused) {
  offer({kOfferMagic, geometry_.slot_bytes, geometry_.slot_count}, Descriptor(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC)));
  expect_refusal();
}

TEST_F(ShmOffer, WordsWithoutMemoryAreRefused) {
  const OfferWords words{kOfferMagic, geometry_.slot_bytes, geometry_.slot_count};
  ASSERT_EQ(send_some(socket_, std::as_bytes(std::span(words))).outcome, Transfer::done);
  world_.poll();
  expect_refusal();
}

TEST_F(ShmOffer, AShortOneIsRefused) {
  const std::array<uint32_t, 1> words{kOfferMagic};
  ASSERT_EQ(send_with_descriptor(socket_, std::as_bytes(std::span(words)), memory_of(4096, kSeals)).outcome, Transfer::done);
  world_.poll();
  expect_refusal();
}

// A rank 0 whose link is up, and which then breaks the rules by which windows are passed.
class ShmWindowRecords : public ShmOffer {
 protected:
  ShmWindowRecords() {
    offer({kOfferMagic, geometry_.slot_bytes, geometry_.slot_count}, memory_of(segment_bytes(geometry_), kSeals));
    EXPECT_NE(world_[1]->link(0), nullptr);
  }

  transport::Link& link() { return *world_[1]->link(0); }
  static WindowRecord passed(uint64_t window, uint64_t size) { return {.kind = WindowRecord::passed, .window = window, .size_bytes = size}; }
  static WindowRecord gone(uint64_t window) { return {.kind = WindowRecord::gone, .window = window}; }

  void send(const WindowRecord& record) { ASSERT_EQ(send_some(socket_, std::as_bytes(std::span(&record, 1))).outcome, Transfer::done); }
  void send(const WindowRecord& record, const Descriptor& memfd) {
    ASSERT_EQ(send_with_descriptor(socket_, std::as_bytes(std::span(&record, 1)), memfd).outcome, Transfer::done);
  }
  void settle() {
    for (int look = 0; look < 100; ++look) {
      world_.advance_ns(kMillisecondNs);
      world_.poll(20);
    }
  }
  void expect_failure(const std::string& words) {
    settle();
    EXPECT_EQ(link().failure().code(), tuttiRemoteError);
    EXPECT_NE(link().failure().message().find(words), std::string::npos) << link().failure().message();
    std::byte* memory = nullptr;
    EXPECT_EQ(link().share({1, 0}, 1, &memory), transport::Outcome::failed);
    EXPECT_EQ(memory, nullptr);
  }
};

TEST_F(ShmWindowRecords, GoodOnesAreFollowed) {
  send(passed(1, 8192), memory_of(8192, kSeals));
  std::byte* memory = nullptr;
  ASSERT_EQ(link().share({1, 4096}, 4096, &memory), transport::Outcome::done);
  memory[4095] = std::byte{1};
  send(gone(1));
  settle();
  EXPECT_TRUE(link().failure().ok());
  EXPECT_EQ(memory[4095], std::byte{0});  // the address is still good, what lay there is gone
  EXPECT_EQ(link().share({1, 0}, 1, &memory), transport::Outcome::would_block);
}

TEST_F(ShmWindowRecords, PiecesAreAwaited) {
  const WindowRecord record = passed(3, 4096);
  const auto bytes = std::as_bytes(std::span(&record, 1));
  ASSERT_EQ(send_with_descriptor(socket_, bytes.first(1), memory_of(4096, kSeals)).outcome, Transfer::done);
  std::byte* memory = nullptr;
  for (size_t sent = 1; sent < bytes.size(); ++sent) {
    ASSERT_EQ(link().share({3, 0}, 1, &memory), transport::Outcome::would_block);
    ASSERT_EQ(send_some(socket_, bytes.subspan(sent, 1)).outcome, Transfer::done);
  }
  EXPECT_EQ(link().share({3, 0}, 4096, &memory), transport::Outcome::done);
}

TEST_F(ShmWindowRecords, MemoryThatMayShrinkIsRefused) {
  send(passed(1, 4096), memory_of(4096, F_SEAL_GROW));
  expect_failure("whose size is not sealed");
}

TEST_F(ShmWindowRecords, ASizeThatIsNotTheMemorysIsRefused) {
  send(passed(1, 1 << 20), memory_of(4096, kSeals));
  expect_failure("4096 bytes instead of 1048576");
}

TEST_F(ShmWindowRecords, MoreThanTheAddressSpaceIsRefused) {
  constexpr size_t kSize = size_t{1} << 60;
  send(passed(1, kSize), memory_of(kSize, kSeals));
  expect_failure("passed window 1 that cannot be used");
}

TEST_F(ShmWindowRecords, NoBytesAreRefused) {
  send(passed(1, 0), memory_of(0, kSeals));
  expect_failure("of no bytes");
}

TEST_F(ShmWindowRecords, MemoryThatMayNotBeWrittenIsRefused) {
  send(passed(1, 4096), memory_of(4096, kSeals | F_SEAL_WRITE));
  expect_failure("EPERM");
}

TEST_F(ShmWindowRecords, ARecordWithoutMemoryIsRefused) {
  send(passed(1, 4096));
  expect_failure("without its memory");
}

TEST_F(ShmWindowRecords, TheNumberOfOrdinaryMemoryIsRefused) {
  send(passed(0, 4096), memory_of(4096, kSeals));
  expect_failure("passed window 0");
}

TEST_F(ShmWindowRecords, ANumberThatIsTakenIsRefused) {
  send(passed(5, 4096), memory_of(4096, kSeals));
  send(passed(5, 4096), memory_of(4096, kSeals));
  expect_failure("passed window 5 twice");
}

TEST_F(ShmWindowRecords, TakingBackWhatWasNotPassedIsRefused) {
  send(gone(5));
  expect_failure("took back window 5");
}

TEST_F(ShmWindowRecords, UnknownKindsAreRefused) {
  send({.kind = 9, .window = 1});
  expect_failure("unknown kind 9");
}

TEST_F(ShmWindowRecords, GarbageIsRefused) {
  ASSERT_EQ(send_some(socket_, pattern(100, 3)).outcome, Transfer::done);
  expect_failure("no record of a window");
}

TEST_F(ShmWindowRecords, MoreWindowsThanAgreedAreRefusedAndNothingLeaks) {
  const size_t before = open_descriptor_count();
  const Descriptor memfd = memory_of(4096, kSeals);
  for (uint64_t window = 1; window <= kMaxWindows + 1; ++window) {
    send(passed(window, 4096), memfd);
    if (window % 50 == 0) {
      world_.advance_ns(kMillisecondNs);
      world_.poll(20);
    }
  }
  expect_failure(fmt::format("passed more than {} windows", kMaxWindows));
  world_[1]->disconnect(0);
  EXPECT_EQ(mapped_segment_count(), 0u);
  EXPECT_LE(open_descriptor_count(), before);
}

// Who a peer proves to be must fit: lower ranks connect, and all count the same ranks.
TEST(ShmIntroduction, ClaimsThatDoNotFitAreRejected) {
  struct Case {
    Identity connecting;
    Identity accepting;
  };
  Identity other_purpose = identity_of(0, 3);
  ++other_purpose.claim.purpose;
  for (const Case& unfit : {Case{identity_of(2, 3), identity_of(1, 3)}, Case{identity_of(1, 3), identity_of(1, 3)},
                            Case{identity_of(0, 4), identity_of(1, 3)}, Case{other_purpose, identity_of(1, 3)}}) {
    const SocketName name = random_socket_name();
    Result<Descriptor> listener = listen_locally(name);
    ASSERT_TRUE(listener.has_value());
    Result<Descriptor> connecting_socket = connect_locally(name);
    Result<Descriptor> accepting_socket = accept_locally(*listener);
    ASSERT_TRUE(connecting_socket.has_value() && accepting_socket.has_value());
    auto connecting = Introduction::begin(Handshake::Side::connecting, unfit.connecting, std::move(*connecting_socket));
    auto accepting = Introduction::begin(Handshake::Side::accepting, unfit.accepting, std::move(*accepting_socket));
    ASSERT_TRUE(connecting.has_value() && accepting.has_value());
    for (int turn = 0; turn < kManyPolls; ++turn) {
      (*connecting)->advance();
      (*accepting)->advance();
    }
    EXPECT_EQ((*connecting)->state(), Introduction::State::failed);
    EXPECT_EQ((*accepting)->state(), Introduction::State::failed);
    EXPECT_FALSE((*connecting)->failure().ok());
  }
}

TEST(ShmSocket, ExtraDescriptorsAreClosed) {
  const SocketName name = random_socket_name();
  Result<Descriptor> listener = listen_locally(name);
  ASSERT_TRUE(listener.has_value());
  Result<Descriptor> sender = connect_locally(name);
  Result<Descriptor> receiver = accept_locally(*listener);
  ASSERT_TRUE(sender.has_value() && receiver.has_value() && receiver->valid());
  alignas(cmsghdr) std::byte control[CMSG_SPACE(3 * sizeof(int))] = {};
  std::byte byte{1};
  iovec vector{&byte, 1};
  msghdr message{};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(3 * sizeof(int));
  const std::array<int, 3> passed{0, 0, 0};
  std::memcpy(CMSG_DATA(header), passed.data(), sizeof(passed));
  ASSERT_EQ(::sendmsg(sender->get(), &message, 0), 1);
  const size_t before = open_descriptor_count();
  {
    Descriptor first;
    ASSERT_EQ(receive_with_descriptor(*receiver, std::span(&byte, 1), &first).outcome, Transfer::done);
    EXPECT_TRUE(first.valid());
    EXPECT_EQ(::fcntl(first.get(), F_GETFD), FD_CLOEXEC);
    EXPECT_EQ(open_descriptor_count(), before + 1);
  }
  EXPECT_EQ(open_descriptor_count(), before);
}

// Descriptors of this process, by number.
std::set<int> open_descriptors() {
  std::set<int> numbers;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) numbers.insert(std::stoi(entry.path().filename()));
  std::erase_if(numbers, [](int number) { return ::fcntl(number, F_GETFD) < 0; });  // the iterator's own
  return numbers;
}

TEST(ShmSocket, EveryDescriptorIsCloseOnExec) {
  const std::set<int> inherited = open_descriptors();
  World world(2);
  expect_connectable(world);
  size_t checked = 0;
  for (const int number : open_descriptors()) {
    if (inherited.contains(number)) continue;
    EXPECT_NE(::fcntl(number, F_GETFD) & FD_CLOEXEC, 0) << number;
    ++checked;
  }
  EXPECT_EQ(checked, 6u);  // a listener each, and a socket and a watch for each end of the link
}

TEST(ShmAddress, RoundTrips) {
  Address address{.user_id = 7, .process_id = 8, .socket_name = random_socket_name(), .host_id = "host"};
  EXPECT_EQ(decode(encode(address)).value(), address);
  address.host_id.clear();
  EXPECT_EQ(decode(encode(address)).value(), address);
  address.host_id.assign(5000, 'x');
  EXPECT_EQ(decode(encode(address)).value().host_id, std::string(kMaxHostIdBytes, 'x'));
  EXPECT_LE(encode(address).size(), transport::kMaxAddressBytes);
}

}  // namespace
}  // namespace tutti::transports::shm
