using System.Diagnostics;

namespace PSCrac.Tests.Support;

/// <summary>Waits for a condition instead of sleeping for a time.</summary>
internal static class Wait
{
    internal static readonly TimeSpan Limit = TimeSpan.FromSeconds(20);

    /// <summary>Returns once the condition holds; fails the test when it does not within <see cref="Limit"/>.</summary>
    internal static void Until(Func<bool> condition, Func<string> explain)
    {
        long start = Stopwatch.GetTimestamp();
        while (!condition())
        {
            if (Stopwatch.GetElapsedTime(start) > Limit)
            {
                throw new TimeoutException(explain());
            }

            Thread.Sleep(2);
        }
    }
}
