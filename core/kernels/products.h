// Sums of products of bfloat16 in registers of float32.
#pragma once
#include "lanes.h"

constexpr int WIDTH = 32;  // channels that a panel holds side by side: two registers of float32
constexpr int ROWS = 8;    // of a product in registers; with WIDTH they fill 16 of 32

// Two products a lane: `pair` holds two neighbouring bfloat16, `wide` two for every lane.
inline Lanes dot(Lanes sum, uint32_t pair, __m512i wide) {
    return _mm512_dpbf16_ps(sum, (__m512bh)_mm512_set1_epi32(static_cast<int>(pair)), (__m512bh)wide);
}

// sums (ROWS, WIDTH) += rows x wide over `pairs` pairs; a row's pairs lie `step` apart, a pair's rows `next`.
// Inline whatever the compiler thinks: with the steps known, gradients of weights take a tenth less time.
[[gnu::always_inline]] inline void multiply(const uint32_t* rows, int64_t next, int64_t step, const bf16* wide,
                                            int64_t pairs, float* sums, bool fresh) {
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
