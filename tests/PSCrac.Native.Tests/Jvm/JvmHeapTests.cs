using PSCrac.Jvm;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Jvm;

public class JvmHeapTests
{
    [JavaFact]
    public void A_jvm_collects_its_garbage()
    {
        using JavaProgram java = JavaProgram.Start("-Xlog:gc");

        JvmHeap.Collect(java.ProcessId);

        // The JVM answers when it has done it, and its log may come later.
        Wait.Until(
            () => File.ReadAllText(java.Program.OutputPath).Contains("Pause Full (Diagnostic Command)", StringComparison.Ordinal),
            () => $"no collection: {File.ReadAllText(java.Program.OutputPath)}");
    }

    [JavaFact]
    public void One_that_takes_no_commands_is_told()
    {
        using JavaProgram java = JavaProgram.Start("-XX:+DisableAttachMechanism");

        Expect.Failure(CracReason.JvmNotAttachable, () => JvmHeap.Collect(java.ProcessId));
    }

    [Fact]
    public void What_is_no_jvm_is_told()
    {
        CracException failure = Expect.Failure(CracReason.JvmNotCapable, () => JvmHeap.Collect(Environment.ProcessId));

        Assert.Contains("-CollectGarbage", failure.RecommendedAction);
        Assert.Contains($"{Environment.ProcessId}", failure.Message);
    }
}
