/* made by a test */

#include "fml_tables.h"

/* [3, 3, 3, 1] of /ConvI8 */
FML_WEIGHTS_BEGIN(tiny_cnn_v0_weight, 27)
FML_WEIGHTS_SLICE(far, tiny_cnn_v0_weight, 0, 27)
    -122, -84, 16, -77, -108, -77, 16, -84, -122, -98, -12, -119, 91, 108, -68, 73, 21, 31, 103, -18, -77, -74, -9, 118,
    52, 48, 106,
FML_WEIGHTS_SLICE_END
FML_WEIGHTS_END

/* [3] of /ConvI8 */
static const int32_t tiny_cnn_v0_bias[3] = {
    -822, 270, -377,
};

/* [3] of /ConvI8 */
static const uint16_t tiny_cnn_v0_mult[3] = {
    36079, 38225, 40433,
};

/* [3] of /ConvI8 */
static const uint8_t tiny_cnn_v0_shift[3] = {
    24, 23, 24,
};

/* [4, 27] of /DenseI8 */
FML_WEIGHTS_BEGIN(tiny_cnn_v3_weight, 108)
FML_WEIGHTS_SLICE(far, tiny_cnn_v3_weight, 0, 108)
    -122, 52, 33, 76, -74, 93, 67, 103, -54, 106, 73, 102, -62, 91, 51, 73, -98, 48, 1, 16, 93, -23, -77, -69,
    1, -122, 72, 73, -119, 6, -62, -68, -12, 106, 31, 18, 67, -77, 96, 76, 118, -33, -122, 106, -114, -17, -113, 108,
    -119, -29, 123, 82, 103, -69, 76, 28, 42, 118, 1, -54, -47, 22, -102, 91, 91, -102, 22, -47, -54, 1, 118, 42,
    28, 76, -69, 103, 82, 123, -29, -119, 108, -113, -17, -114, 106, -122, -33, 118, 76, 96, -77, 67, 18, 31, 106, -12,
    -68, -62, 6, -119, 73, 72, -122, 1, -69, -77, -23, 93,
FML_WEIGHTS_SLICE_END
FML_WEIGHTS_END

/* [4] of /DenseI8 */
static const int32_t tiny_cnn_v3_bias[4] = {
    351, 256, 223, 252,
};

/* [4] of /DenseI8 */
static const uint16_t tiny_cnn_v3_mult[4] = {
    61099, 34693, 41117, 47603,
};

/* [4] of /DenseI8 */
static const uint8_t tiny_cnn_v3_shift[4] = {
    24, 24, 23, 24,
};
