// Convolutions of 3 x 3, stride 1 and padding 1 for training, by Winograd's minimal filtering F(2 x 2, 3 x 3) (Lavin
// and Gray, Fast Algorithms for Convolutional Neural Networks, CVPR 2016, section 4): forward, and the gradients of
// images, which are a convolution with turned weights.
//
// Images are bfloat16 (N, H, W, C), weights float32 (K, 3, 3, C), C and K multiples of 32. A tile of 2 x 2 outputs
// takes 16 products for each pair of channels instead of 36. Transforms are computed in float32 and rounded to bfloat16
// once; products are added up in float32. Few tiles are transformed at once, so that they stay in the caches: through
// memory, the 16 values a tile would cost more than the products save. Every sum has one order, whatever the number of
// threads.
#include <omp.h>

#include <algorithm>

#include "products.h"
#include "winograd.h"

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

}  // extern "C"
