using PSCrac.Common;
using Xunit;

namespace PSCrac.Tests.Support;

/// <summary>What tests of failures share.</summary>
internal static class Expect
{
    /// <summary>Runs what must fail for a reason, with a message and a recommended action, and gives the exception.</summary>
    internal static CracException Failure(CracReason reason, Action action)
    {
        CracException failure = Assert.Throws<CracException>(action);
        Assert.True(
            failure.Reason == reason,
            $"{failure.Reason} instead of {reason}: {failure.Message}\n{string.Join('\n', failure.CriuLines)}\n{failure.StackTrace}");
        Assert.False(string.IsNullOrWhiteSpace(failure.Message));
        Assert.False(string.IsNullOrWhiteSpace(failure.RecommendedAction));
        return failure;
    }

    /// <summary>Does something once, when a phase begins, on the thread that reports it.</summary>
    internal static Reports At(CracPhase phase, Action action)
    {
        int done = 0;
        return new Reports(report =>
        {
            // The same phase is reported again and again while it lasts, from another thread.
            if (report.Phase == phase && Interlocked.Exchange(ref done, 1) == 0)
            {
                action();
            }
        });
    }

    /// <summary>Does something once, when the first pages have been written.</summary>
    internal static Reports AtFirstPages(Action action)
    {
        int done = 0;
        return new Reports(report =>
        {
            if (report.Bytes > 0 && Interlocked.Exchange(ref done, 1) == 0)
            {
                action();
            }
        });
    }

    /// <summary>Calls back for each report, on the thread that makes it.</summary>
    internal sealed class Reports(Action<CracProgress> action) : IProgress<CracProgress>
    {
        public void Report(CracProgress value) => action(value);
    }
}
