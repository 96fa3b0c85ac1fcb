// Memory of large tensors, in one range of addresses.
//
// A block takes the smallest hole that is large enough, and holes beside each other are one. What
// lies beyond the last block has not been touched, so that the process holds what blocks took at
// their peak. It is kept from step to step, in large pages where the system has them.

#include <c10/core/Allocator.h>
#include <pthread.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <iterator>
#include <map>
#include <mutex>
#include <set>
#include <unordered_map>
#include <utility>

namespace {

constexpr size_t GRAIN = 64;  // bytes: what torch aligns tensors to

class Arena final : public c10::Allocator {
   public:
    // What finds no place in `room` bytes comes from `rest`, as what is small does.
    Arena(c10::Allocator* rest, size_t room) : rest_(rest), room_(room) {
        void* range = mmap(nullptr, room, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (range == MAP_FAILED) return;
#ifdef MADV_HUGEPAGE
        madvise(range, room, MADV_HUGEPAGE);
#endif
        base_ = static_cast<char*>(range);
        insert(0, room);
    }

    bool ready() const { return base_ != nullptr; }

    c10::DataPtr allocate(size_t size) override {
        void* place = users > 0 && size >= least ? take(size) : nullptr;
        if (!place) place = rest_->raw_allocate(size);
        return {place, place, raw_deleter(), c10::Device(c10::DeviceType::CPU)};
    }

    c10::DeleterFnPtr raw_deleter() const override;

    void copy_data(void* to, const void* from, size_t count) const override {
        default_copy_data(to, from, count);
    }

    void free(void* place) {
        char* at = static_cast<char*>(place);
        if (at < base_ || at >= base_ + room_)
            rest_->raw_deallocate(place);
        else
            give(at - base_);
    }

    // Hand memory back to the system if no block is left and more than `kept` bytes are held.
    void settle(size_t kept) {
        std::lock_guard<std::mutex> guard(lock);
        if (!blocks_.empty() || touched_ <= kept) return;
        madvise(base_, touched_, MADV_DONTNEED);
        touched_ = 0;
    }

    size_t touched() {
        std::lock_guard<std::mutex> guard(lock);
        return touched_;
    }

    std::mutex lock;
    std::atomic<int64_t> users{0};  // while there are none, nothing new is placed here
    std::atomic<size_t> least{0};  // bytes of a block that is placed here

   private:
    char* take(size_t size) {
        size = (size + GRAIN - 1) / GRAIN * GRAIN;
        std::lock_guard<std::mutex> guard(lock);
        auto hole = by_size_.lower_bound({size, 0});
        if (hole == by_size_.end()) return nullptr;
        auto [room, start] = *hole;
        erase(start, room);
        if (room > size) insert(start + size, room - size);
        blocks_[start] = size;
        touched_ = std::max(touched_, start + size);
        return base_ + start;
    }

    void give(size_t start) {
        std::lock_guard<std::mutex> guard(lock);
        auto block = blocks_.find(start);
        size_t size = block->second;
        blocks_.erase(block);
        auto after = by_place_.lower_bound(start);
        if (after != by_place_.begin()) {
            auto [left, room] = *std::prev(after);
            if (left + room == start) {
                erase(left, room);
                start = left;
                size += room;
            }
        }
        if (after != by_place_.end() && after->first == start + size) {
            auto [right, room] = *after;
            erase(right, room);
            size += room;
        }
        insert(start, size);
    }

    void insert(size_t start, size_t size) {
        by_place_[start] = size;
        by_size_.insert({size, start});
    }

    void erase(size_t start, size_t size) {
        by_place_.erase(start);
        by_size_.erase({size, start});
    }

    c10::Allocator* rest_;
    size_t room_;
    char* base_ = nullptr;
    size_t touched_ = 0;                             // bytes from the start
    std::map<size_t, size_t> by_place_;              // holes: size by start
    std::set<std::pair<size_t, size_t>> by_size_;    // the same: size, start
    std::unordered_map<size_t, size_t> blocks_;      // taken: size by start
};

Arena* arena = nullptr;  // for the life of the process, as tensors in it may be

c10::DeleterFnPtr Arena::raw_deleter() const {
    return [](void* place) { arena->free(place); };
}

}  // namespace

// Have torch allocate by an arena of `room` bytes; says whether there is one.
extern "C" int64_t arena_open(int64_t room) {
    if (arena) return 1;
    auto made = new Arena(c10::GetAllocator(c10::DeviceType::CPU), room);
    if (!made->ready()) {
        delete made;
        return 0;
    }
    arena = made;
    pthread_atfork([] { arena->lock.lock(); }, [] { arena->lock.unlock(); },
                   [] { arena->lock.unlock(); });
    c10::SetAllocator(c10::DeviceType::CPU, arena);
    return 1;
}

// Place blocks of at least `least` bytes from here on.
extern "C" void arena_enter(int64_t least) {
    arena->least = std::max<size_t>(least, GRAIN);
    ++arena->users;
}

// Place none any more, if nobody else wants it; then no more than `kept` bytes are kept.
extern "C" void arena_leave(int64_t kept) {
    if (--arena->users == 0) arena->settle(kept);
}

extern "C" int64_t arena_touched() { return arena->touched(); }
