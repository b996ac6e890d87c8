"""One module a market: signal, interval, score, payment and thresholds, with their sources.

Tags as in `record.Confidence`: [C] read in public code that implements the rule, [S] read in a
public source, [K] general knowledge that no source at hand confirmed.
"""
