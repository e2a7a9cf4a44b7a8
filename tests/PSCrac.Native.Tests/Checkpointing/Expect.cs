using PSCrac.Checkpointing;
using Xunit;

namespace PSCrac.Tests.Checkpointing;

/// <summary>What tests of failures share.</summary>
internal static class Expect
{
    /// <summary>Runs what must fail for a reason, with a message and an advice, and gives the exception.</summary>
    internal static CracException Failure(CracReason reason, Action action)
    {
        CracException failure = Assert.Throws<CracException>(action);
        Assert.True(
            failure.Reason == reason,
            $"{failure.Reason} instead of {reason}: {failure.Message}\n{string.Join('\n', failure.CriuLines)}\n{failure.StackTrace}");
        Assert.False(string.IsNullOrWhiteSpace(failure.Message));
        Assert.False(string.IsNullOrWhiteSpace(failure.Advice));
        return failure;
    }

    /// <summary>Calls back for each report, on the thread that makes it.</summary>
    internal sealed class Reports(Action<CracProgress> action) : IProgress<CracProgress>
    {
        public void Report(CracProgress value) => action(value);
    }
}
