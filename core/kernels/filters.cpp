// The gradients of convolutions' weights, float32 (K, size, size, C), from images bfloat16 (N, H, W, C) and gradients
// bfloat16 (N, high, wide, K), C and K multiples of 32: of 3 x 3, stride 1 and padding 1 by Winograd's minimal
// filtering F(2 x 2, 3 x 3) (see convolutions.cpp), of any size and stride as they are defined.
//
// Either way it is, for each of some points (values of a transformed tile, or places in the filter), a product of two
// matrices (C, items) and (items, K), whose items are tiles or pixels. A few items at a time are written into panels,
// two of them side by side as the instruction wants them, and multiplied. Every sum has one order, whatever the number
// of threads.
#include <omp.h>

#include <algorithm>

#include "products.h"
#include "winograd.h"

using namespace winograd;

namespace {

constexpr int GROUP = 4;     // pairs of items that are written at once
constexpr int TOGETHER = 384;  // items that all threads write and multiply together
constexpr int ALONE = 64;    // items that one thread does: with its sums they fit its level-2 cache
constexpr int SHARES = 16;   // of the items, where each is added up by one thread
constexpr int64_t MOST_SUMS = 1 << 18;  // of a share
constexpr int64_t SUMS = ROWS * WIDTH;  // of a product in registers
// A panel is a little longer than a power of two: panels would fall into the same sets of the cache.
constexpr int64_t PAD = 32;

// Panels of `chunk` items: of WIDTH channels of the images, and of ROWS channels of the gradients.
constexpr int64_t wide_panel(int chunk) { return chunk * WIDTH + PAD; }
constexpr int64_t row_panel(int chunk) { return chunk * ROWS + PAD; }

// first[0] second[0] first[1] second[1] ... of 16 values each
inline __m512i zip(const bf16* first, const bf16* second, __m512i order) {
    __m256i low = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(first));
    __m256i high = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(second));
    return _mm512_permutexvar_epi16(order, _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1));
}

// Sixteen channels of two items into the panels of ROWS channels each that begin at `to`.
template <int CHUNK>
inline void store_rows(bf16* to, __m512i pairs) {
    _mm256_store_si256(reinterpret_cast<__m256i*>(to), _mm512_castsi512_si256(pairs));
    _mm256_store_si256(reinterpret_cast<__m256i*>(to + row_panel(CHUNK)), _mm512_extracti64x4_epi64(pairs, 1));
}

// What the two matrices of a point are read from, and what becomes of their product.
struct Operands {
    Shape x;
    const bf16 *images, *gradients;
    int64_t outputs, items, points;
    bool shares_rows;  // one matrix of gradients for all points
    int64_t sums() const { return points * x.channels * outputs; }
    int64_t wide_panels() const { return points * (x.channels / WIDTH); }
    int64_t row_panels() const { return (shares_rows ? 1 : points) * (outputs / ROWS); }
};

struct Winograd : Operands {
    Winograd(Shape x, const bf16* images, const bf16* gradients, int64_t outputs)
        : Operands{x, images, gradients, outputs, x.tiles(), POINTS, false} {}

    // The transformed patches and gradients of up to 2 x GROUP tiles from `tile` on. Channel by channel: lines of all
    // panels at once are more than the level-1 cache holds.
    template <int CHUNK>
    void write(int64_t tile, int64_t count, bf16* wide, bf16* rows, __m512i order) const {
        Shape y{x.images, x.height, x.width, outputs};
        const bf16 *patch[2 * GROUP][16], *pixels[2 * GROUP][4];
        for (int64_t n = 0; n < count; n++) {
            find_pixels<4, 1>(x, images, tile + n, patch[n]);
            find_pixels<2, 0>(y, gradients, tile + n, pixels[n]);
        }
        if (count % 2 != 0) {
            std::fill_n(patch[count], 16, ZEROS);
            std::fill_n(pixels[count], 4, ZEROS);
        }
        Lanes v[2][POINTS];
        const int64_t inputs = x.channels, wide_point = inputs / WIDTH * wide_panel(CHUNK);
        for (int64_t c = 0; c < inputs; c += 16)
            for (int64_t n = 0; n < count; n += 2) {
                transform_patch(patch[n], c, v[0]), transform_patch(patch[n + 1], c, v[1]);
                bf16* to = wide + c / WIDTH * wide_panel(CHUNK) + c % WIDTH * 2 + n * WIDTH;
                for (int i = 0; i < POINTS; i++, to += wide_point)
                    _mm512_store_si512(to, interleave(v[0][i], v[1][i], order));
            }
        const int64_t made = outputs, row_point = made / ROWS * row_panel(CHUNK);
        for (int64_t k = 0; k < made; k += 16)
            for (int64_t n = 0; n < count; n += 2) {
                transform_tile(pixels[n], k, v[0]), transform_tile(pixels[n + 1], k, v[1]);
                bf16* to = rows + k / ROWS * row_panel(CHUNK) + n * ROWS;
                for (int i = 0; i < POINTS; i++, to += row_point)
                    store_rows<CHUNK>(to, interleave(v[0][i], v[1][i], order));
            }
    }

    // sums (16, ROWS, WIDTH) of the filters `k` on, in the channels from `c` on.
    void finish(const float* sums, int64_t c, int64_t k, float* to) const {
        untransform_filters(sums, x.channels, to + k * 9 * x.channels + c);
    }
};

struct Direct : Operands {
    int64_t size, stride, padding, high, wide;
    Direct(Shape x, const bf16* images, const bf16* gradients, int64_t outputs, int64_t size, int64_t stride,
           int64_t padding, int64_t high, int64_t wide)
        : Operands{x, images, gradients, outputs, x.images * high * wide, size * size, true},
          size(size), stride(stride), padding(padding), high(high), wide(wide) {}

    // Where the pixel begins that output `output` (of all images) multiplies by `tap`.
    const bf16* find(int64_t output, int64_t tap) const {
        int64_t inside = output % (high * wide);
        int64_t down = inside / wide * stride + tap / size - padding;
        int64_t right = inside % wide * stride + tap % size - padding;
        if (down < 0 || down >= x.height || right < 0 || right >= x.width) return ZEROS;
        return images + ((output / (high * wide) * x.height + down) * x.width + right) * x.channels;
    }

    // What up to 2 x GROUP outputs from `output` on multiply, tap after tap, and their gradients.
    template <int CHUNK>
    void write(int64_t output, int64_t count, bf16* wide, bf16* rows, __m512i order) const {
        for (int64_t tap = 0; tap < points; tap++, wide += x.channels / WIDTH * wide_panel(CHUNK))
            for (int64_t n = 0; n < count; n += 2) {
                const bf16* from = find(output + n, tap);
                const bf16* next = n + 1 < count ? find(output + n + 1, tap) : ZEROS;
                for (int64_t c = 0; c < x.channels; c += 16)
                    _mm512_store_si512(wide + c / WIDTH * wide_panel(CHUNK) + c % WIDTH * 2 + n * WIDTH,
                                       zip(from + c, next + c, order));
            }
        for (int64_t n = 0; n < count; n += 2) {
            const bf16* from = gradients + (output + n) * outputs;
            const bf16* next = n + 1 < count ? from + outputs : ZEROS;
            for (int64_t k = 0; k < outputs; k += 16)
                store_rows<CHUNK>(rows + k / ROWS * row_panel(CHUNK) + n * ROWS, zip(from + k, next + k, order));
        }
    }

    // sums (taps, ROWS, WIDTH)
    void finish(const float* sums, int64_t c, int64_t k, float* to) const {
        for (int64_t tap = 0; tap < points; tap++)
            for (int r = 0; r < ROWS; r++)
                std::copy_n(sums + (tap * ROWS + r) * WIDTH, WIDTH, to + ((k + r) * points + tap) * x.channels + c);
    }
};

template <int CHUNK>
struct Panels {
    bf16 *wide, *rows;
    Panels(const Operands& o, float* after) : wide(reinterpret_cast<bf16*>(after)) {
        rows = wide + o.wide_panels() * wide_panel(CHUNK);
    }
    static int64_t bytes(const Operands& o) {
        return (o.wide_panels() * wide_panel(CHUNK) + o.row_panels() * row_panel(CHUNK)) * sizeof(bf16);
    }
    // The panels of a point.
    const bf16* wide_of(const Operands& o, int64_t point) const {
        return wide + point * (o.x.channels / WIDTH) * wide_panel(CHUNK);
    }
    const bf16* rows_of(const Operands& o, int64_t point) const {
        return o.shares_rows ? rows : rows + point * (o.outputs / ROWS) * row_panel(CHUNK);
    }
};

// sums (ROWS, WIDTH) += the product of two panels
[[gnu::always_inline]] inline void add_up(const bf16* rows, const bf16* wide, int64_t count, float* sums, bool fresh) {
    multiply(reinterpret_cast<const uint32_t*>(rows), 1, ROWS, wide, (count + 1) / 2, sums, fresh);
}

// Where few channels meet in many items, sums and panels of one thread stay in its cache.
bool is_shared_out(const Operands& o) { return o.sums() <= MOST_SUMS && o.items >= 3 * SHARES * ALONE; }

int64_t bytes(const Operands& o, int threads) {
    if (is_shared_out(o)) return SHARES * (o.sums() * sizeof(float) + Panels<ALONE>::bytes(o));
    int64_t sums = o.items > TOGETHER ? o.sums() : threads * o.points * SUMS;
    return sums * sizeof(float) + Panels<TOGETHER>::bytes(o);
}

template <class Work>
void by_shares(const Work& w, float* to, char* scratch, int threads) {
    const int64_t across = w.x.channels / WIDTH, down = w.outputs / ROWS, points = w.points;
    const int64_t chunks = (w.items + ALONE - 1) / ALONE;
    int64_t share_bytes = w.sums() * sizeof(float) + Panels<ALONE>::bytes(w);
    __m512i order = interleaving();
#pragma omp parallel num_threads(threads)
    {
#pragma omp for schedule(static)
        for (int share = 0; share < SHARES; share++) {
            float* sums = reinterpret_cast<float*>(scratch + share * share_bytes);
            Panels<ALONE> panels(w, sums + w.sums());
            int64_t begin = chunks * share / SHARES * ALONE;
            int64_t end = std::min(chunks * (share + 1) / SHARES * ALONE, w.items);
            for (int64_t first = begin; first < end; first += ALONE) {
                int64_t count = std::min<int64_t>(ALONE, end - first);
                for (int64_t n = 0; n < count; n += 2 * GROUP)
                    w.template write<ALONE>(first + n, std::min<int64_t>(2 * GROUP, count - n),
                                            panels.wide + n * WIDTH, panels.rows + n * ROWS, order);
                for (int64_t i = 0; i < points; i++) {
                    const bf16 *wide = panels.wide_of(w, i), *rows = panels.rows_of(w, i);
                    for (int64_t c = 0; c < across; c++)
                        for (int64_t k = 0; k < down; k++)
                            add_up(rows + k * row_panel(ALONE), wide + c * wide_panel(ALONE), count,
                                   sums + ((c * down + k) * points + i) * SUMS, first == begin);
                }
            }
        }
#pragma omp for collapse(2) schedule(static)
        for (int64_t c = 0; c < across; c++)
            for (int64_t k = 0; k < down; k++) {
                int64_t at = (c * down + k) * points * SUMS, size = points * SUMS;
                float* total = reinterpret_cast<float*>(scratch) + at;
                for (int share = 1; share < SHARES; share++) {
                    const float* own = reinterpret_cast<float*>(scratch + share * share_bytes) + at;
                    for (int64_t i = 0; i < size; i++) total[i] += own[i];
                }
                w.finish(total, c * WIDTH, k * ROWS, to);
            }
    }
}

template <class Work>
void by_all(const Work& w, float* to, char* scratch, int threads) {
    int64_t across = w.x.channels / WIDTH, down = w.outputs / ROWS;
    bool at_once = w.items <= TOGETHER;
    float* sums = reinterpret_cast<float*>(scratch);
    Panels<TOGETHER> panels(w, sums + (at_once ? threads * w.points * SUMS : w.sums()));
    __m512i order = interleaving();
#pragma omp parallel num_threads(threads)
    for (int64_t first = 0; first < w.items; first += TOGETHER) {
        int64_t count = std::min<int64_t>(TOGETHER, w.items - first);
#pragma omp for schedule(static)
        for (int64_t n = 0; n < count; n += 2 * GROUP)
            w.template write<TOGETHER>(first + n, std::min<int64_t>(2 * GROUP, count - n), panels.wide + n * WIDTH,
                                       panels.rows + n * ROWS, order);
#pragma omp for collapse(2) schedule(static)
        for (int64_t c = 0; c < across; c++)
            for (int64_t k = 0; k < down; k++) {
                float* own = sums + (at_once ? omp_get_thread_num() : c * down + k) * w.points * SUMS;
                for (int64_t i = 0; i < w.points; i++) {
                    const bf16 *wide = panels.wide_of(w, i), *rows = panels.rows_of(w, i);
                    add_up(rows + k * row_panel(TOGETHER), wide + c * wide_panel(TOGETHER), count, own + i * SUMS,
                           first == 0);
                }
                if (first + TOGETHER >= w.items) w.finish(own, c * WIDTH, k * ROWS, to);
            }
    }
}

template <class Work>
void differentiate(const Work& w, float* to, char* scratch, int threads) {
    is_shared_out(w) ? by_shares(w, to, scratch, threads) : by_all(w, to, scratch, threads);
}

}  // namespace

extern "C" {

// Bytes that winograd_gradient writes to.
int64_t winograd_gradient_bytes(int64_t n, int64_t height, int64_t width, int64_t channels, int64_t outputs,
                                int threads) {
    return bytes(Winograd({n, height, width, channels}, nullptr, nullptr, outputs), threads);
}

// to (K, 3, 3, C), where high and wide are height and width
void winograd_gradient(const bf16* images, const bf16* gradients, int64_t n, int64_t height, int64_t width,
                       int64_t channels, int64_t outputs, float* to, char* scratch, int threads) {
    differentiate(Winograd({n, height, width, channels}, images, gradients, outputs), to, scratch, threads);
}

// Bytes that filter_gradient writes to.
int64_t filter_gradient_bytes(int64_t n, int64_t high, int64_t wide, int64_t channels, int64_t outputs, int64_t size,
                              int threads) {
    return bytes(Direct({n, 0, 0, channels}, nullptr, nullptr, outputs, size, 1, 0, high, wide), threads);
}

// to (K, size, size, C)
void filter_gradient(const bf16* images, const bf16* gradients, int64_t n, int64_t height, int64_t width,
                     int64_t channels, int64_t high, int64_t wide, int64_t outputs, int64_t size, int64_t stride,
                     int64_t padding, float* to, char* scratch, int threads) {
    differentiate(Direct({n, height, width, channels}, images, gradients, outputs, size, stride, padding, high, wide),
                  to, scratch, threads);
}

}  // extern "C"
