using PSCrac.Moving;
using PSCrac.Paging;
using PSCrac.PidNamespaces;
using PSCrac.Starting;
using PSCrac.Starting.Services;

namespace PSCrac.Start;

/// <summary>crac-start: starts, restores and checkpoints a service in front, with no PowerShell.</summary>
internal static class Program
{
    private const string Usage = """
        crac-start NAME                                                runs the service NAME, which Register-CracService described
        crac-start FILE                                                runs the service that a file with a slash in its path describes
        crac-start --once restore IMAGE                                restores an image and stays in front of it
        crac-start --once checkpoint [--leave-running] PID IMAGE       checkpoints a process

        An image is a path, or a name below the image root. The exit code is the program's, or 125 where there is none.
        """;

    private static int Main(string[] arguments)
    {
        if (arguments is [NamespaceInitHost.InitArgument])
        {
            NamespaceInit.Run();
        }

        if (arguments is [PageProcess.Argument])
        {
            PageProcess.Run();
        }

        if (arguments is [MoveReceiver.Argument])
        {
            return Receive();
        }

        if (Environment.ProcessId == 1)
        {
            return ContainerInit.Run();
        }

        string subject = arguments is not [{ } name] ? "once" : name.Contains('/', StringComparison.Ordinal) ? Path.GetFileNameWithoutExtension(name) : name;
        Action<string> say = line => Console.Error.WriteLine($"crac-start: {subject}: {line}");
        try
        {
            return arguments switch
            {
                [OtherUser.Argument, { } user, { } path, .. var command] => throw OtherUser.Execute(user, path, command),
                ["--help"] => ShowUsage(Console.Out, 0),
                [{ } service] when service.Contains('/', StringComparison.Ordinal) => ServiceRun.Run(ServiceStore.ReadFile(Path.GetFullPath(service)), say),
                [{ } service] when service[0] != '-' => ServiceRun.Run(ServiceStore.Read(service), say),
                ["--once", "restore", { } image] => OneTime.Restore(image, say),
                ["--once", "checkpoint", { } id, { } image] => OneTime.Checkpoint(id, image, leaveRunning: false, say),
                ["--once", "checkpoint", "--leave-running", { } id, { } image] => OneTime.Checkpoint(id, image, leaveRunning: true, say),
                _ => ShowUsage(Console.Error, ServiceRun.Failed),
            };
        }
        catch (CracException e)
        {
            say(ServiceReports.Describe(e));
            return e.ExitCode ?? ServiceRun.Failed;
        }
    }

    // The near side shows the last line of what is written here.
    private static int Receive()
    {
        try
        {
            MoveReceiver.Run(3, 4);
            return 0;
        }
        catch (Exception e)
        {
            Console.Error.WriteLine($"crac-start: {e.Message}");
            return ServiceRun.Failed;
        }
    }

    private static int ShowUsage(TextWriter writer, int code)
    {
        writer.WriteLine(Usage);
        return code;
    }
}
