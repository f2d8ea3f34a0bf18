// Batch norm for training, with the addition of a shortcut and the activation that follow it: forward and backward
// (Ioffe and Szegedy, Batch Normalization, ICML 2015, section 3.1).
//
// Maps are bfloat16 (pixels, C) with the pixels of all images in a row, C a multiple of 16; all else is float32. Each
// direction goes over the maps twice: for sums over pixels, and for the result. What torch computes in between, the
// normalized map and the gradient behind the activation, never reaches memory. Every sum has one order, whatever the
// number of threads.
#include <omp.h>

#include <algorithm>
#include <cmath>

#include "lanes.h"

namespace {

constexpr int64_t RUN = 32;         // pixels that are added up in registers
constexpr int64_t MAX_SHARES = 256;  // of the pixels, each added up by itself
constexpr int64_t SMALL = 1 << 17;   // values

struct Shares {
    int64_t count, size;
    explicit Shares(int64_t pixels) {
        int64_t runs = (pixels + RUN - 1) / RUN, longest = (runs + MAX_SHARES - 1) / MAX_SHARES;
        count = (runs + longest - 1) / longest, size = longest * RUN;
    }
};

inline Lanes load(const float* p) { return _mm512_loadu_ps(p); }
inline void add_to(float* p, Lanes v) { _mm512_storeu_ps(p, plus(load(p), v)); }

inline void move(float* running, int64_t c, float momentum, double to) {
    if (running != nullptr) running[c] = static_cast<float>(running[c] + momentum * (to - running[c]));
}

// What follows the normalization, and what of a gradient passes it.
enum Activation { NONE, RELU, RELU6, HARDSWISH };

template <Activation ACTIVATION>
inline Lanes activate(Lanes z) {
    Lanes zero = _mm512_setzero_ps();
    // Of a NaN and another value the instructions return the second: a training that diverges must show it.
    if (ACTIVATION == RELU) return _mm512_max_ps(zero, z);
    if (ACTIVATION == RELU6) return _mm512_min_ps(all(6), _mm512_max_ps(zero, z));
    if (ACTIVATION == HARDSWISH) {
        Lanes gate = _mm512_min_ps(_mm512_max_ps(plus(z, all(3)), zero), all(6));
        return times(z, times(gate, all(1 / 6.f)));
    }
    return z;
}

template <Activation ACTIVATION>
inline Lanes pass_back(Lanes gradient, Lanes z) {
    __mmask16 above = _mm512_cmp_ps_mask(z, _mm512_setzero_ps(), _CMP_NLE_UQ);
    if (ACTIVATION == RELU) return _mm512_maskz_mov_ps(above, gradient);
    if (ACTIVATION == RELU6)
        return _mm512_maskz_mov_ps(_mm512_mask_cmp_ps_mask(above, z, all(6), _CMP_LT_OQ), gradient);
    if (ACTIVATION == HARDSWISH) {
        Lanes slope = times_plus(z, all(1 / 3.f), all(0.5f));
        slope = _mm512_mask_mov_ps(slope, _mm512_cmp_ps_mask(z, all(3), _CMP_GE_OQ), all(1));
        return _mm512_maskz_mul_ps(_mm512_cmp_ps_mask(z, all(-3), _CMP_GT_OQ), gradient, slope);
    }
    return gradient;
}

// Statistics of a map, each (C): z = x factor + offset is the normalized one, factor = weight / deviation.
struct Statistics {
    float *mean, *inverse, *factor, *offset;
    Statistics(float* all, int64_t channels)
        : mean(all), inverse(all + channels), factor(all + 2 * channels), offset(all + 3 * channels) {}
};

struct Map {
    int64_t pixels, channels;
    // Waking a thread takes longer than what there is to do in a small map.
    int threads(int available) const { return pixels * channels < SMALL ? 1 : available; }
};

// In a parallel region: sums (shares, 2, C) of whatever `two` adds to its last arguments for 16 channels of a pixel.
template <class Two>
inline void add_up(Map m, float* sums, Two two) {
    Shares shares(m.pixels);
#pragma omp for schedule(static)
    for (int64_t share = 0; share < shares.count; share++) {
        float* own = sums + share * 2 * m.channels;
        std::fill_n(own, 2 * m.channels, 0.f);
        int64_t last = std::min((share + 1) * shares.size, m.pixels);
        for (int64_t first = share * shares.size; first < last; first += RUN) {
            int64_t end = std::min(first + RUN, last) * m.channels;
            for (int64_t c = 0; c < m.channels; c += 16) {
                Lanes a = _mm512_setzero_ps(), b = a;
                auto add = two(c);
                for (int64_t at = first * m.channels + c; at < end; at += m.channels) add(at, a, b);
                add_to(own + c, a), add_to(own + m.channels + c, b);
            }
        }
    }
}

// In a parallel region: `use` of each channel and its two sums over the shares.
template <class Use>
inline void for_totals(Map m, const float* sums, Use use) {
    int64_t count = Shares(m.pixels).count;
#pragma omp for schedule(static)
    for (int64_t first = 0; first < m.channels; first += 16) {
        double a[16] = {}, b[16] = {};
        for (int64_t share = 0; share < count; share++)
            for (int i = 0; i < 16; i++) {
                a[i] += sums[share * 2 * m.channels + first + i];
                b[i] += sums[(share * 2 + 1) * m.channels + first + i];
            }
        for (int i = 0; i < 16; i++) use(first + i, a[i], b[i]);
    }
}

template <Activation ACTIVATION>
void normalize(const bf16* x, const bf16* carried, Map m, Statistics s, bf16* y, int threads) {
#pragma omp parallel for num_threads(m.threads(threads)) schedule(static)
    for (int64_t p = 0; p < m.pixels; p++)
        for (int64_t c = 0; c < m.channels; c += 16) {
            int64_t at = p * m.channels + c;
            Lanes z = times_plus(widen(x + at), load(s.factor + c), load(s.offset + c));
            if (carried != nullptr) z = plus(z, widen(carried + at));
            narrow(y + at, activate<ACTIVATION>(z));
        }
}

// As normalization_gradient.
template <Activation ACTIVATION>
void differentiate(const bf16* gradient, const bf16* x, const bf16* y, Map m, Statistics s, const float* weight,
                   float* scratch, bf16* for_x, bf16* for_carried, float* for_weight, float* for_bias, int threads) {
    float *slope = scratch, *shift = slope + m.channels, *sums = shift + m.channels;
    // The gradient behind the activation: of what the pixel's value was before it, or, of that, what was made of it.
    auto passed = [=](int64_t at, Lanes value, Lanes factor, Lanes offset) {
        Lanes z = y != nullptr ? widen(y + at) : times_plus(value, factor, offset);
        return pass_back<ACTIVATION>(widen(gradient + at), z);
    };
#pragma omp parallel num_threads(m.threads(threads))
    {
        add_up(m, sums, [=](int64_t c) {
            Lanes factor = load(s.factor + c), offset = load(s.offset + c);
            return [=](int64_t at, Lanes& a, Lanes& b) {
                Lanes value = widen(x + at), back = passed(at, value, factor, offset);
                a = plus(a, back), b = times_plus(back, value, b);
            };
        });
        for_totals(m, sums, [=](int64_t c, double a, double b) {
            double inverse = s.inverse[c], mean = s.mean[c], along = (b - a * mean) * inverse;
            for_bias[c] = static_cast<float>(a), for_weight[c] = static_cast<float>(along);
            double down = -weight[c] * inverse * inverse * along / m.pixels;
            slope[c] = static_cast<float>(down);
            shift[c] = static_cast<float>(-weight[c] * inverse * a / m.pixels - down * mean);
        });
#pragma omp for schedule(static)
        for (int64_t p = 0; p < m.pixels; p++)
            for (int64_t c = 0; c < m.channels; c += 16) {
                int64_t at = p * m.channels + c;
                Lanes factor = load(s.factor + c), value = widen(x + at);
                Lanes back = passed(at, value, factor, load(s.offset + c));
                if (for_carried != nullptr) narrow(for_carried + at, back);
                narrow(for_x + at, times_plus(back, factor, times_plus(value, load(slope + c), load(shift + c))));
            }
    }
}

}  // namespace

extern "C" {

// Bytes that normalization_statistics and normalization_gradient write to.
int64_t normalization_bytes(int64_t pixels, int64_t channels) {
    return (Shares(pixels).count * 2 + 2) * channels * sizeof(float);
}

// statistics (4, C) of the map x: see Statistics. The running mean and variance (C), where they are not null, move
// towards the map's by `momentum` of the way.
void normalization_statistics(const bf16* x, int64_t pixels, int64_t channels, const float* weight, const float* bias,
                              float epsilon, float* running_mean, float* running_variance, float momentum,
                              float* statistics, float* sums, int threads) {
    Map m{pixels, channels};
    Statistics s(statistics, channels);
#pragma omp parallel num_threads(m.threads(threads))
    {
        add_up(m, sums, [=](int64_t) {
            return [=](int64_t at, Lanes& a, Lanes& b) {
                Lanes value = widen(x + at);
                a = plus(a, value), b = times_plus(value, value, b);
            };
        });
        for_totals(m, sums, [=](int64_t c, double a, double b) {
            double mean = a / pixels, variance = std::max(b / pixels - mean * mean, 0.0);
            double inverse = 1 / std::sqrt(variance + epsilon), factor = weight[c] * inverse;
            s.mean[c] = static_cast<float>(mean), s.inverse[c] = static_cast<float>(inverse);
            s.factor[c] = static_cast<float>(factor), s.offset[c] = static_cast<float>(bias[c] - mean * factor);
            move(running_mean, c, momentum, mean);
            move(running_variance, c, momentum, variance * pixels / (pixels - 1));
        });
    }
}

// y = activation(x factor + offset + carried); carried (pixels, C) or null
void normalization(const bf16* x, const bf16* carried, int64_t pixels, int64_t channels, float* statistics,
                   int activation, bf16* y, int threads) {
    Map m{pixels, channels};
    Statistics s(statistics, channels);
    if (activation == NONE) normalize<NONE>(x, carried, m, s, y, threads);
    if (activation == RELU) normalize<RELU>(x, carried, m, s, y, threads);
    if (activation == RELU6) normalize<RELU6>(x, carried, m, s, y, threads);
    if (activation == HARDSWISH) normalize<HARDSWISH>(x, carried, m, s, y, threads);
}

// The gradients of x, of what was carried (or null), of weight and bias (C). y is what normalization made where that
// is needed, behind a ReLU of a sum; else null.
void normalization_gradient(const bf16* gradient, const bf16* x, const bf16* y, int64_t pixels, int64_t channels,
                            float* statistics, const float* weight, int activation, float* scratch, bf16* for_x,
                            bf16* for_carried, float* for_weight, float* for_bias, int threads) {
    Map m{pixels, channels};
    Statistics s(statistics, channels);
    auto by = activation == RELU     ? differentiate<RELU>
              : activation == RELU6  ? differentiate<RELU6>
              : activation == HARDSWISH ? differentiate<HARDSWISH>
                                        : differentiate<NONE>;
    by(gradient, x, y, m, s, weight, scratch, for_x, for_carried, for_weight, for_bias, threads);
}

}  // extern "C"
