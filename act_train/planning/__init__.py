"""What ``act-train plan`` reckons with: machines, models, data, memory, time and disk."""
