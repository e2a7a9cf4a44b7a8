using PSCrac.Options;

namespace PSCrac.Starting.Services;

/// <summary>The requests to the engine that a description stands for.</summary>
internal static class ServiceRequest
{
    /// <summary>The start of the program, which then continues and ends with this process.</summary>
    /// <exception cref="CracException"><see cref="CracReason.ServiceInvalid"/>: a value is not possible.</exception>
    internal static StartRequest CreateStart(ServiceDescription description)
    {
        // What systemd tells this process is not for the program, which would answer in its place.
        var environment = new Dictionary<string, string?>(description.Environment, StringComparer.Ordinal);
        foreach (string name in ServiceNotifier.Variables)
        {
            environment.TryAdd(name, null);
        }

        var request = new StartRequest
        {
            FilePath = description.FilePath,
            Arguments = description.Arguments,
            WorkingDirectory = description.WorkingDirectory,
            Environment = environment,
            StandardInputPath = description.StandardInputPath,
            StandardOutputPath = description.StandardOutputPath,
            StandardErrorPath = description.StandardErrorPath,
            MinimumId = description.MinimumId,
            PidNamespace = description.PidNamespace,
            EndWithCaller = true,
            ReadyTimeout = description.ReadyTimeout,
            LeaveRunning = true,
            DependsOn = description.DependsOn,
            Engine = description.Engine,
            CriuPath = description.CriuPath,
            User = description.User,
            Service = description.Name,
        };
        return request with { Ready = [.. CreateConditions(description, request)] };
    }

    /// <summary>The options of a checkpoint that leaves the program running.</summary>
    /// <exception cref="CracException"><see cref="CracReason.ServiceInvalid"/>: one may not be named, or has no such value.</exception>
    internal static CheckpointOptions CreateOptions(ServiceDescription description)
    {
        CriuOptions options = new CheckpointOptions { LeaveRunning = true };
        var others = new Dictionary<string, object?>(StringComparer.Ordinal);
        foreach ((string name, object value) in description.CheckpointOptions)
        {
            if (OptionTable.Find(name) is not { } row)
            {
                others[name] = value;
            }
            else if (row.IsReserved || row == OptionTable.LeaveRunning || !row.Scope.HasFlag(OptionScope.Checkpoint) || row.Value.TryRead(value) is not { } read)
            {
                throw new CracException(
                    CracReason.ServiceInvalid, $"checkpointOptions of the service {description.Name} cannot set {name} to {value}.", $"Leave out {name}, which PSCrac sets itself, or correct its value.");
            }
            else
            {
                options = options.With(row, read);
            }
        }

        var complete = (CheckpointOptions)options with { CriuOption = others };
        complete.RequireConsistent();
        return complete;
    }

    private static IEnumerable<ReadyCondition> CreateConditions(ServiceDescription description, StartRequest request)
    {
        if (description.ReadyPort is { } port)
        {
            yield return new ReadyPort(port);
        }

        if (description.ReadyUri is { } uri)
        {
            yield return new ReadyUri(uri);
        }

        if (description.ReadyCommand is { } words)
        {
            var command = new ServiceCommand(words, request);
            yield return new ReadyTest(() => command.Run(description.ReadyTimeout) == 0, $"{command.Text} does not end with exit code 0");
        }

        if (description.ReadyFile is { } file)
        {
            yield return new ReadyFile(file);
        }

        if (description.ReadyPattern is { } pattern)
        {
            yield return CreatePattern(description.Name, pattern, [.. new[] { request.StandardOutputPath, request.StandardErrorPath }.OfType<string>()]);
        }
    }

    private static ReadyPattern CreatePattern(string service, string pattern, string[] outputs)
    {
        try
        {
            return new ReadyPattern(pattern, outputs);
        }
        catch (ArgumentException e)
        {
            throw new CracException(CracReason.ServiceInvalid, $"readyPattern of the service {service} is no regular expression: {e.Message}", "Correct it.", e);
        }
    }
}
