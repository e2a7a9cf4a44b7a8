using System.Globalization;
using PSCrac.Checkpointing;
using PSCrac.Images.Manifest;
using PSCrac.Starting;

namespace PSCrac.Commands.Common;

/// <summary>What a cmdlet writes about an operation besides its output: choices as verbose messages, and warnings.</summary>
internal static class ResultSummary
{
    internal static void WriteSummary(this CracCommand cmdlet, CheckpointResult result)
    {
        foreach (ImageManifestChoice choice in result.Choices)
        {
            cmdlet.WriteVerbose($"Chose {choice.Option}{(choice.Value is null ? string.Empty : "=" + choice.Value)} for {choice.Reason}.");
        }

        foreach (string file in result.ConfigurationFiles)
        {
            cmdlet.WriteVerbose($"criu also read its configuration file {file}.");
        }

        if (result.Image.Statistics is { } statistics)
        {
            cmdlet.WriteVerbose(string.Create(
                CultureInfo.CurrentCulture,
                $"Frozen for {statistics.FrozenTime.TotalMilliseconds:0} ms, {statistics.PagesWritten} pages written, options: {string.Join(", ", result.Image.Options.Keys.DefaultIfEmpty("none"))}."));
        }

        foreach (string warning in result.Warnings)
        {
            cmdlet.WriteWarning(warning);
        }

        if (result.LingeringProcessIds.Count > 0)
        {
            cmdlet.WriteWarning(
                $"The checkpoint is made and its processes have ended, but the ids {string.Join(", ", result.LingeringProcessIds)} are not free yet: their parents have not reaped them, or their process groups are still there. A restore waits for them, up to its own -PidTimeout.");
        }
    }

    /// <param name="cmdlet">Whose messages these are.</param>
    /// <param name="restored">What was restored.</param>
    /// <param name="isNamespaceGiven">Whether the caller has chosen the pid namespace.</param>
    internal static void WriteSummary(this CracCommand cmdlet, CracRestoredProcess restored, bool isNamespaceGiven)
    {
        cmdlet.WriteVerbose(string.Create(CultureInfo.CurrentCulture, $"Process {restored.Id} runs again after {restored.RestoreTime.TotalMilliseconds:0} ms."));
        foreach (CracFinding finding in restored.Findings)
        {
            if (finding.Severity != CracFindingSeverity.Note)
            {
                cmdlet.WriteVerbose($"{finding}{(finding.RecommendedAction is null ? string.Empty : " " + finding.RecommendedAction)}");
            }
        }

        foreach (string warning in restored.Warnings)
        {
            cmdlet.WriteWarning(warning);
        }

        if (restored.NamespaceInitId is { } init)
        {
            cmdlet.WriteVerbose(string.Create(
                CultureInfo.CurrentCulture,
                $"It is process {restored.ImageProcessId} of a pid namespace of its own, whose first process is {init} here."));
            if (!isNamespaceGiven)
            {
                cmdlet.WriteVerbose("It was in a pid namespace of its own at its checkpoint, too. -PidNamespace Host restores it outside.");
            }
        }

        if (restored.LazyPages is { } pages)
        {
            cmdlet.WriteVerbose(string.Create(CultureInfo.CurrentCulture, $"Its memory is brought by the page daemon, process {pages.DaemonId}."));
        }
    }

    /// <param name="cmdlet">Whose messages these are.</param>
    /// <param name="result">What was started.</param>
    /// <param name="hasTarget">Whether a checkpoint was asked for.</param>
    internal static void WriteSummary(this CracCommand cmdlet, StartResult result, bool hasTarget)
    {
        foreach (string decision in result.Decisions)
        {
            cmdlet.WriteVerbose(decision);
        }

        foreach (string warning in result.Warnings)
        {
            cmdlet.WriteWarning(warning);
        }

        if (hasTarget && result.Process is { IsRestored: false, ReadyTime: null })
        {
            cmdlet.WriteWarning("The checkpoint was taken as soon as the program ran, since no condition says when it is ready: -ReadyUri, -ReadyPort, -ReadyPattern, -ReadyFile, -ReadyScript.");
        }
    }
}
