// Convolutions for training. Of 3 x 3, stride 1 and padding 1 by Winograd's minimal filtering F(2 x 2, 3 x 3): forward,
// and the gradients of images and weights (Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, CVPR
// 2016, section 4). Of any size and stride: the gradients of weights.
//
// Images are bfloat16 (N, H, W, C), weights float32 (K, 3, 3, C), C and K multiples of 32. A tile of 2 x 2 outputs
// takes 16 products for each pair of channels instead of 36. Transforms are computed in float32 and rounded to bfloat16
// once; products are added up in float32. Few tiles are transformed at once, so that they stay in the caches: through
// memory, the 16 values a tile would cost more than the products save. Every sum has one order, whatever the number of
// threads.
#include <omp.h>

#include <algorithm>

#include "transforms.h"

namespace winograd {

constexpr int CHUNK = 512;  // tiles that a gradient adds up at once
// A panel is a little longer than a power of two: panels would fall into the same sets of the cache.
constexpr int64_t PAD = 32;
constexpr int64_t ROW_PANEL = CHUNK / 2 * ROWS * 2 + PAD;
constexpr int64_t WIDE_PANEL = CHUNK / 2 * WIDTH * 2 + PAD;

// sums (ROWS, WIDTH) += rows x wide over `pairs` pairs; a row's pairs lie `step` apart, a pair's rows `next`.
inline void multiply(const uint32_t* rows, int64_t next, int64_t step, const bf16* wide, int64_t pairs, float* sums,
                     bool fresh) {
    Lanes sum[ROWS][2];
    for (int r = 0; r < ROWS; r++)
        for (int n = 0; n < 2; n++) sum[r][n] = fresh ? _mm512_setzero_ps() : _mm512_load_ps(sums + r * WIDTH + n * 16);
    for (int64_t p = 0; p < pairs; p++) {
        __m512i left = _mm512_load_si512(wide + p * 64), right = _mm512_load_si512(wide + p * 64 + 32);
#pragma GCC unroll 8
        for (int r = 0; r < ROWS; r++) {
            sum[r][0] = dot(sum[r][0], rows[p * step + r * next], left);
            sum[r][1] = dot(sum[r][1], rows[p * step + r * next], right);
        }
    }
    for (int r = 0; r < ROWS; r++)
        for (int n = 0; n < 2; n++) _mm512_store_ps(sums + r * WIDTH + n * 16, sum[r][n]);
}

// first[0] second[0] first[1] second[1] ... of 16 values each
inline __m512i zip(const bf16* first, const bf16* second, __m512i order) {
    __m256i low = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(first));
    __m256i high = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(second));
    return _mm512_permutexvar_epi16(order, _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1));
}

// Sixteen channels of two pixels into the panels of ROWS channels each that begin at `to`.
inline void store_rows(bf16* to, __m512i pairs) {
    _mm256_store_si256(reinterpret_cast<__m256i*>(to), _mm512_castsi512_si256(pairs));
    _mm256_store_si256(reinterpret_cast<__m256i*>(to + ROW_PANEL), _mm512_extracti64x4_epi64(pairs, 1));
}

// The transformed patches of two tiles (`second` or zeros), pairwise, in wide panels of the images' channels; the
// transformed gradients in panels of ROWS channels.
void transform_pair(const Shape& x, const bf16* images, const Shape& y, const bf16* gradients, int64_t tile,
                    bool second, bf16* wide, bf16* rows, __m512i order) {
    const bf16 *patch[2][16], *pixels[2][4];
    std::fill_n(patch[1], 16, ZEROS);
    std::fill_n(pixels[1], 4, ZEROS);
    for (int n = 0; n < 1 + second; n++) {
        find_pixels<4, 1>(x, images, tile + n, patch[n]);
        find_pixels<2, 0>(y, gradients, tile + n, pixels[n]);
    }
    Lanes v[2][POINTS];
    for (int64_t c = 0; c < x.channels; c += 16) {
        for (int n = 0; n < 2; n++) transform_patch(patch[n], c, v[n]);
        bf16* to = wide + c / WIDTH * WIDE_PANEL + c % WIDTH * 2;
        for (int i = 0; i < POINTS; i++, to += x.channels / WIDTH * WIDE_PANEL)
            _mm512_store_si512(to, interleave(v[0][i], v[1][i], order));
    }
    for (int64_t k = 0; k < y.channels; k += 16) {
        for (int n = 0; n < 2; n++) transform_tile(pixels[n], k, v[n]);
        bf16* to = rows + k / ROWS * ROW_PANEL;
        for (int i = 0; i < POINTS; i++, to += y.channels / ROWS * ROW_PANEL)
            store_rows(to, interleave(v[0][i], v[1][i], order));
    }
}

// A convolution of size x size whose outputs are high x wide.
struct Filter {
    int64_t size, stride, padding, high, wide;
    int64_t taps() const { return size * size; }
};

// Where the pixel begins that output `output` (of all images) multiplies by `tap`.
inline const bf16* find_pixel(const Shape& x, const Filter& f, const bf16* images, int64_t output, int64_t tap) {
    int64_t inside = output % (f.high * f.wide);
    int64_t down = inside / f.wide * f.stride + tap / f.size - f.padding;
    int64_t right = inside % f.wide * f.stride + tap % f.size - f.padding;
    if (down < 0 || down >= x.height || right < 0 || right >= x.width) return ZEROS;
    return images + ((output / (f.high * f.wide) * x.height + down) * x.width + right) * x.channels;
}

// What two neighbouring outputs (`second` or zeros) multiply, pairwise, in wide panels, tap after tap; their gradients
// in panels of ROWS channels.
void copy_pair(const Shape& x, const Filter& f, const bf16* images, const bf16* gradients, int64_t outputs,
               int64_t output, bool second, bf16* wide, bf16* rows, __m512i order) {
    for (int64_t tap = 0; tap < f.taps(); tap++, wide += x.channels / WIDTH * WIDE_PANEL) {
        const bf16* from = find_pixel(x, f, images, output, tap);
        const bf16* next = second ? find_pixel(x, f, images, output + 1, tap) : ZEROS;
        for (int64_t c = 0; c < x.channels; c += 16)
            _mm512_store_si512(wide + c / WIDTH * WIDE_PANEL + c % WIDTH * 2, zip(from + c, next + c, order));
    }
    const bf16* from = gradients + output * outputs;
    const bf16* next = second ? from + outputs : ZEROS;
    for (int64_t k = 0; k < outputs; k += 16) store_rows(rows + k / ROWS * ROW_PANEL, zip(from + k, next + k, order));
}

}  // namespace winograd

using namespace winograd;

extern "C" {

// u (K / 32, 16, C / 2, 32, 2): the transformed weights, input channels in pairs.
void winograd_weights(const float* weights, int64_t outputs, int64_t inputs, bf16* u, int threads) {
    const __m512i column = _mm512_setr_epi32(0, 16, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240);
#pragma omp parallel for collapse(2) schedule(static) num_threads(threads)
    for (int64_t k = 0; k < outputs; k += 16)
        for (int64_t c = 0; c < inputs; c += 32) {
            alignas(64) uint32_t pairs[POINTS][16][16];
            for (int r = 0; r < 16; r++) {
                Lanes v[2][POINTS];
                const float* filter = weights + (k + r) * 9 * inputs + c;
                for (int n = 0; n < 2; n++) transform_filter(filter + n * 16, 3 * inputs, inputs, v[n]);
                for (int i = 0; i < POINTS; i++)
                    _mm512_store_si512(pairs[i][r], (__m512i)_mm512_cvtne2ps_pbh(v[1][i], v[0][i]));
            }
            for (int i = 0; i < POINTS; i++) {
                bf16* to = u + (k / WIDTH * POINTS + i) * WIDTH * inputs + c * WIDTH + k % WIDTH * 2;
                for (int p = 0; p < 16; p++, to += WIDTH * 2)
                    _mm512_store_si512(to, _mm512_i32gather_epi32(column, pairs[i][0] + p, 4));
            }
        }
}

// u (C / 32, 16, K / 2, 32, 2): the weights turned by 180 degrees, outputs and inputs exchanged. With these the
// gradients of images are a convolution too.
void winograd_weights_turned(const float* weights, int64_t outputs, int64_t inputs, bf16* u, int threads) {
    __m512i order = interleaving();
#pragma omp parallel for collapse(2) schedule(static) num_threads(threads)
    for (int64_t c = 0; c < inputs; c += 16)
        for (int64_t k = 0; k < outputs; k += 2) {
            Lanes v[2][POINTS];
            const float* last = weights + (k * 9 + 8) * inputs + c;
            for (int n = 0; n < 2; n++) transform_filter(last + n * 9 * inputs, -3 * inputs, -inputs, v[n]);
            bf16* to = u + c / WIDTH * POINTS * WIDTH * outputs + k * WIDTH + c % WIDTH * 2;
            for (int i = 0; i < POINTS; i++, to += WIDTH * outputs)
                _mm512_store_si512(to, interleave(v[0][i], v[1][i], order));
        }
}

// Bytes that each thread of winograd_convolve writes to.
int64_t winograd_convolve_bytes(int64_t channels) {
    return POINTS * BLOCK * (channels * sizeof(bf16) + WIDTH * sizeof(float));
}

// to (N, H, W, outputs) bfloat16 from images (N, H, W, channels) and transformed weights; bias (outputs) or null.
void winograd_convolve(const bf16* images, int64_t n, int64_t height, int64_t width, int64_t channels, const bf16* u,
                       const float* bias, int64_t outputs, bf16* to, char* scratch, int threads) {
    Shape s{n, height, width, channels};
#pragma omp parallel num_threads(threads)
    {
        int64_t thread = omp_get_thread_num();
        char* own = scratch + thread * winograd_convolve_bytes(channels);
        float* m = reinterpret_cast<float*>(own);
        bf16* v = reinterpret_cast<bf16*>(own + POINTS * BLOCK * WIDTH * sizeof(float));
        // Each thread its share of the tiles, of whole rows, rather than of blocks: small maps have few of these.
        int64_t groups = (s.tiles() + ROWS - 1) / ROWS, parts = omp_get_num_threads();
        int64_t last = std::min(groups * (thread + 1) / parts * ROWS, s.tiles());
        for (int64_t first = groups * thread / parts * ROWS; first < last; first += BLOCK) {
            int count = static_cast<int>(std::min<int64_t>(BLOCK, last - first));
            for (int b = 0; b < count; b++) {
                const bf16* patch[16];
                find_pixels<4, 1>(s, images, first + b, patch);
                for (int64_t c = 0; c < channels; c += 16) {
                    Lanes d[POINTS];
                    transform_patch(patch, c, d);
                    for (int i = 0; i < POINTS; i++) narrow(v + (i * BLOCK + b) * channels + c, d[i]);
                }
            }
            for (int64_t k = 0; k < outputs; k += WIDTH) {
                for (int i = 0; i < POINTS; i++)
                    for (int r = 0; r < count; r += ROWS) {
                        auto rows = reinterpret_cast<const uint32_t*>(v + (i * BLOCK + r) * channels);
                        const bf16* panel = u + (k * POINTS + i * WIDTH) * channels;
                        multiply(rows, channels / 2, 1, panel, channels / 2, m + (i * BLOCK + r) * WIDTH, true);
                    }
                untransform_tiles(s, m, first, count, bias, outputs, k, to);
            }
        }
    }
}

// Bytes that winograd_gradient writes to.
int64_t winograd_gradient_bytes(int64_t channels, int64_t outputs) {
    int64_t panels = POINTS * (channels / WIDTH * WIDE_PANEL + outputs / ROWS * ROW_PANEL);
    return panels * sizeof(bf16) + POINTS * channels * outputs * sizeof(float);
}

// to (K, 3, 3, C) float32: the gradients of the weights from images (N, H, W, C) and gradients (N, H, W, K).
void winograd_gradient(const bf16* images, const bf16* gradients, int64_t n, int64_t height, int64_t width,
                       int64_t channels, int64_t outputs, float* to, char* scratch, int threads) {
    Shape x{n, height, width, channels}, y{n, height, width, outputs};
    int64_t tiles = x.tiles();
    float* sums = reinterpret_cast<float*>(scratch);
    bf16* wide = reinterpret_cast<bf16*>(sums + POINTS * channels * outputs);
    bf16* rows = wide + POINTS * (channels / WIDTH) * WIDE_PANEL;
    __m512i order = interleaving();
#pragma omp parallel num_threads(threads)
    for (int64_t first = 0; first < tiles; first += CHUNK) {
        int64_t count = std::min<int64_t>(CHUNK, tiles - first), pairs = (count + 1) / 2;
#pragma omp for schedule(static)
        for (int64_t p = 0; p < pairs; p++)
            transform_pair(x, images, y, gradients, first + p * 2, p * 2 + 1 < count, wide + p * WIDTH * 2,
                           rows + p * ROWS * 2, order);
#pragma omp for collapse(2) schedule(static)
        for (int64_t c = 0; c < channels / WIDTH; c++)
            for (int64_t k = 0; k < outputs / ROWS; k++) {
                alignas(64) float only[POINTS * ROWS * WIDTH];
                float* m = tiles > CHUNK ? sums + (c * (outputs / ROWS) + k) * POINTS * ROWS * WIDTH : only;
                for (int i = 0; i < POINTS; i++) {
                    auto panel = reinterpret_cast<const uint32_t*>(rows + (i * (outputs / ROWS) + k) * ROW_PANEL);
                    const bf16* patches = wide + (i * (channels / WIDTH) + c) * WIDE_PANEL;
                    multiply(panel, 1, ROWS, patches, pairs, m + i * ROWS * WIDTH, first == 0);
                }
                if (first + CHUNK >= tiles) untransform_filters(m, channels, to + k * ROWS * 9 * channels + c * WIDTH);
            }
    }
}

// Bytes that filter_gradient writes to.
int64_t filter_gradient_bytes(int64_t channels, int64_t outputs, int64_t size) {
    int64_t panels = size * size * (channels / WIDTH) * WIDE_PANEL + outputs / ROWS * ROW_PANEL;
    return panels * sizeof(bf16) + size * size * channels * outputs * sizeof(float);
}

// to (K, size, size, C) float32: the gradients of the weights of a convolution of any size and stride from images
// (N, H, W, C) and gradients (N, high, wide, K), as they are defined: tap by tap.
void filter_gradient(const bf16* images, const bf16* gradients, int64_t n, int64_t height, int64_t width,
                     int64_t channels, int64_t high, int64_t wide, int64_t outputs, int64_t size, int64_t stride,
                     int64_t padding, float* to, char* scratch, int threads) {
    Shape x{n, height, width, channels};
    Filter f{size, stride, padding, high, wide};
    int64_t pixels = n * high * wide, taps = f.taps();
    float* sums = reinterpret_cast<float*>(scratch);
    bf16* columns = reinterpret_cast<bf16*>(sums + taps * channels * outputs);
    bf16* rows = columns + taps * (channels / WIDTH) * WIDE_PANEL;
    __m512i order = interleaving();
#pragma omp parallel num_threads(threads)
    for (int64_t first = 0; first < pixels; first += CHUNK) {
        int64_t count = std::min<int64_t>(CHUNK, pixels - first), pairs = (count + 1) / 2;
#pragma omp for schedule(static)
        for (int64_t p = 0; p < pairs; p++)
            copy_pair(x, f, images, gradients, outputs, first + p * 2, p * 2 + 1 < count, columns + p * WIDTH * 2,
                      rows + p * ROWS * 2, order);
#pragma omp for collapse(2) schedule(static)
        for (int64_t c = 0; c < channels / WIDTH; c++)
            for (int64_t k = 0; k < outputs / ROWS; k++)
                for (int64_t tap = 0; tap < taps; tap++) {
                    float* m = sums + ((c * (outputs / ROWS) + k) * taps + tap) * ROWS * WIDTH;
                    auto panel = reinterpret_cast<const uint32_t*>(rows + k * ROW_PANEL);
                    const bf16* pixel = columns + (tap * (channels / WIDTH) + c) * WIDE_PANEL;
                    multiply(panel, 1, ROWS, pixel, pairs, m, first == 0);
                    if (first + CHUNK < pixels) continue;
                    for (int r = 0; r < ROWS; r++)
                        std::copy_n(m + r * WIDTH, WIDTH, to + ((k * ROWS + r) * taps + tap) * channels + c * WIDTH);
                }
    }
}

}  // extern "C"
