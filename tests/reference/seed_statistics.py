"""Statistics over seeds from SciPy and statsmodels; writes seed_statistics.json.

`samples`: mean, standard deviation (n - 1), Student's intervals, the one-sample t test, the exact
sign-flip test, mean / sd, and BCa intervals made from the listed means of resamples. `pairs`:
Welch's test with its interval, and Hedges' g with the exact correction. `holm`: adjusted p values.
`areas`: the trapezoidal rule. To run it again:
python3 -m venv venv && venv/bin/pip install scipy==1.17.1 statsmodels==0.15.0
"""

import json
import pathlib

import numpy as np
import scipy
import statsmodels
from scipy import stats
from scipy.integrate import trapezoid
from scipy.special import gammaln
from scipy.stats import _resampling
from statsmodels.stats.multitest import multipletests

CONFIDENCES = [0.5, 0.9, 0.95, 0.999]
SAMPLES = [
    [0.25, 0.75],
    [0.4312, 0.4471, 0.4402],
    [-0.5, 0.25, 0.25, 1.0],
    [0.012, -0.004, 0.021, 0.017, 0.009],
    [24.48, 25.01, 23.96, 24.3, 190.5, 24.48, 24.9, 25.6],
    [1, 3, -2, 8, 1, 4, -1, 2, 9, 5, 3, 7],
]
PAIRS = [
    ([0.431, 0.447, 0.44], [0.402, 0.455, 0.421]),
    ([1.0, 2.0], [1.5, 1.75, 9.0, 4.25, 3.0]),
    ([5.0, 5.0, 5.0], [4.0, 6.5, 5.5, 4.5]),
    ([1e4, 2e4, 1.5e4, 1.2e4], [0.1, 0.2, 0.15]),
]
HOLM = [[0.04], [0.01, 0.04, 0.03, 0.005], [0.5, 0.5, 0.9], [1e-9, 0.02, 0.02, 0.03, 1.0]]
AREAS = [
    [[0, 0.1], [1, 0.25], [2, 0.3], [3, 0.28]],
    [[0, 2.3], [10, 1.9], [20, 1.2], [25, 1.1]],
]


def of_sample(values, rng):
    x = np.array(values)
    n = len(x)
    test = stats.ttest_1samp(x, 0.0)
    flips = stats.permutation_test(
        (x,), lambda x, axis: np.mean(x, axis=axis), permutation_type="samples", vectorized=True,
        n_resamples=np.inf)
    # Sorted, so that resamples that equal the sample have its mean to the bit.
    means = np.sort(x[rng.integers(n, size=(300, n))], axis=1).mean(axis=1)
    bca = []
    for confidence in CONFIDENCES:
        low, high = _resampling._bca_interval(
            (np.sort(x),), lambda x, axis: np.mean(x, axis=axis), -1, (1 - confidence) / 2, means, None,
            np)[:2]
        bca.append([float(np.percentile(means, 100 * low)), float(np.percentile(means, 100 * high))])
    return {
        "values": values,
        "mean": float(np.mean(x)),
        "sd": float(np.std(x, ddof=1)),
        "t_intervals": [list(map(float, stats.t.interval(c, n - 1, np.mean(x), stats.sem(x))))
                        for c in CONFIDENCES],
        "t": float(test.statistic),
        "p": float(test.pvalue),
        "p_sign_flip": float(flips.pvalue),
        "d_z": float(np.mean(x) / np.std(x, ddof=1)),
        "resampled_means": means.tolist(),
        "bca_intervals": bca,
    }


def of_pair(a, b):
    test = stats.ttest_ind(a, b, equal_var=False)
    df = len(a) + len(b) - 2
    pooled = np.sqrt(((len(a) - 1) * np.var(a, ddof=1) + (len(b) - 1) * np.var(b, ddof=1)) / df)
    correction = np.exp(gammaln(df / 2) - gammaln((df - 1) / 2)) / np.sqrt(df / 2)
    return {
        "a": a,
        "b": b,
        "t": float(test.statistic),
        "df": float(test.df),
        "p": float(test.pvalue),
        "intervals": [list(map(float, test.confidence_interval(c))) for c in CONFIDENCES],
        "hedges_g": float(correction * (np.mean(a) - np.mean(b)) / pooled),
    }


def main():
    rng = np.random.default_rng(1)
    result = {
        "made_by": f"tests/reference/seed_statistics.py, scipy {scipy.__version__}, "
                   f"statsmodels {statsmodels.__version__}",
        "confidences": CONFIDENCES,
        "samples": [of_sample(values, rng) for values in SAMPLES],
        "pairs": [of_pair(a, b) for a, b in PAIRS],
        "holm": [{"p": p, "adjusted": multipletests(p, method="holm")[1].tolist()} for p in HOLM],
        "areas": [{"points": points, "area": float(trapezoid(*reversed(list(zip(*points)))))}
                  for points in AREAS],
    }
    path = pathlib.Path(__file__).with_name("seed_statistics.json")
    path.write_text(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
