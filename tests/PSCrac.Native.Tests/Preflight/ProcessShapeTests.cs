using System.Globalization;
using PSCrac.Checkpointing;
using PSCrac.Options;
using PSCrac.Preflight;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Preflight;

/// <summary>
/// Each shape three times: the prediction of preflight compared with criu without options; with the options chosen, checkpoint
/// and restore by the engine, or its refusal; and the restored process reports whether its state is correct.
/// </summary>
public sealed class ProcessShapeTests(ShapeTable table) : IClassFixture<ShapeTable>
{
    /// <summary>The names of the shapes; one that cannot be created here has the reason.</summary>
    public static TheoryData<string> Names
    {
        get
        {
            var names = new TheoryData<string>();
            foreach (ProcessShape shape in ProcessShapes.All.Values)
            {
                names.Add(shape.SkipReason is { } reason ? $"{shape.Name} (not made here: {reason})" : shape.Name);
            }

            return names;
        }
    }

    [CriuTheory]
    [MemberData(nameof(Names))]
    public void A_shape_is_predicted_and_confirmed(string name)
    {
        if (!ProcessShapes.All.TryGetValue(name, out ProcessShape? shape))
        {
            table.Add(name, "-", "-", "-", "-");
            return;
        }

        using ShapeRun run = ShapeRun.Start(shape);

        // Without options: the prediction, and the result of criu.
        ProcessPreflight bare = run.Examine(new PreflightOptions { ChooseOptions = false });
        (bool done, string log) = run.Dump("bare", ["--leave-running"]);
        bool expected = shape.Need is ShapeNeed.Nothing or ShapeNeed.RestoreOption or ShapeNeed.RestoreFails;
        Assert.True(done == expected, $"criu {(done ? "did it" : "did not do it")} with no option: {log}");
        string predicted = bare.CanCheckpoint ? "works" : "blocked";
        if (shape.Need is not (ShapeNeed.RestoreOption or ShapeNeed.RestoreFails))
        {
            Assert.True(bare.CanCheckpoint == done, $"predicted: {predicted}; criu: {log}; findings: {run.Describe(bare)}");
        }

        if (!done)
        {
            run.ProveExplained();
        }

        // With the options chosen, or given if they have a loss, as the cmdlets do.
        ProcessPreflight chosen = run.Examine(PreflightOptions.Default);
        Assert.True(
            chosen.CanCheckpoint == shape.Need is ShapeNeed.Nothing or ShapeNeed.ChosenOptions or ShapeNeed.RestoreOption,
            $"with options chosen: {run.Describe(chosen)}");
        if (chosen.CanCheckpoint)
        {
            Assert.Equal(shape.Need != ShapeNeed.Nothing, !chosen.Options.IsEmpty);
        }

        if (shape.ExpectedText is { } expectedText)
        {
            Assert.Contains(chosen.Findings, finding => finding.Severity < CracFindingSeverity.Warning && $"{finding.What} {finding.Why} {finding.RecommendedAction}".Contains(expectedText, StringComparison.Ordinal));
        }

        if (shape.ExpectedWarning is { } warning)
        {
            Assert.Contains(chosen.Findings, finding => finding.Severity == CracFindingSeverity.Warning && $"{finding.What} {finding.Why} {finding.RecommendedAction}".Contains(warning, StringComparison.Ordinal));
        }

        string options = "";
        string result;
        if (shape.Need is ShapeNeed.Impossible or ShapeNeed.RestoreFails)
        {
            table.AddMessage(name, run.ProveRefused(chosen.Findings[0]));
            result = shape.Need == ShapeNeed.Impossible ? run.ProveUnharmed() : run.ProveRestoreFails();
        }
        else
        {
            if (shape.Consent is { } consent)
            {
                table.AddMessage(name, run.ProveRefused(chosen.Findings[0]));
                chosen = run.Examine(new PreflightOptions { Checkpoint = consent });
                Assert.True(chosen.CanCheckpoint, run.Describe(chosen));
            }

            (result, options) = run.ProveRestored(chosen.Options);
        }

        table.Add(name, predicted, done ? "works" : "fails", options, result);
    }
}
