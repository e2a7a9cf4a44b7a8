using PSCrac.Starting.Services;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Starting.Services;

/// <summary>Registering and removing services: nothing of the user's is overwritten or removed.</summary>
public sealed class ServiceRegistrationTests : IDisposable
{
    private static readonly string[] s_command = ["/bin/true"];
    private static readonly Dictionary<string, string> s_none = [];
    private readonly TemporaryFolder _folder = new();
    private readonly string _name = $"test-{Guid.NewGuid():N}";

    public void Dispose()
    {
        _folder.Dispose();
        File.Delete(ServiceStore.PathOf(_name));
    }

    private string Unit => _folder.At(_name + ".service");

    [Fact]
    public void Nothing_is_written_before_it_is_asked_for_and_the_preview_has_both_files()
    {
        ServiceRegistration registration = Prepare();
        Assert.Empty(_folder.Names());
        Assert.False(ServiceStore.Contains(_name));

        registration.Write();

        Assert.Contains(File.ReadAllText(Unit), registration.Preview);
        Assert.Contains(File.ReadAllText(ServiceStore.PathOf(_name)), registration.Preview);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(ServiceStore.PathOf(_name)));
    }

    [Fact]
    public void A_service_or_a_unit_that_is_there_is_replaced_only_by_force()
    {
        File.WriteAllText(Unit, "[Unit]\n");
        Assert.Contains(Unit, Expect.Failure(CracReason.ServiceExists, () => Prepare()).Message);
        File.Delete(Unit);

        Prepare().Write();
        Expect.Failure(CracReason.ServiceExists, () => Prepare());

        Prepare(keep: 9, force: true).Write();
        Assert.Equal(9, ServiceStore.Read(_name).Keep);
    }

    [Fact]
    public void Of_two_that_are_registered_at_once_one_is_refused()
    {
        ServiceRegistration one = Prepare(keep: 1);
        ServiceRegistration two = Prepare(keep: 2);
        one.Write();

        Expect.Failure(CracReason.ServiceExists, () => two.Write());
        Assert.Equal(1, ServiceStore.Read(_name).Keep);
    }

    [Theory]
    [InlineData("MemoryMax", "1G\nExecStartPre=/bin/false")]
    [InlineData("Memory Max", "1G")]
    [InlineData("MemoryMax", "1G\\")]
    [InlineData("", "1G")]
    public void A_setting_that_would_be_more_than_a_line_is_refused(string name, string value) =>
        Expect.Failure(CracReason.OptionRefused, () => ServiceRegistration.Prepare(Describe(3), _folder.FullPath, new Dictionary<string, string> { [name] = value }, s_command, force: false));

    [Fact]
    public void What_is_removed_is_PSCracs_own_and_images_stay()
    {
        Prepare().Write();
        string image = Images.ManifestImage.Make(Path.Combine(new ServiceImages(_name).Folder, "20261127-140533"));
        try
        {
            Assert.Empty(ServiceRegistration.Remove(_name, _folder.FullPath, removesImages: false));
            Assert.Empty(_folder.Names());
            Assert.False(ServiceStore.Contains(_name));
            Assert.True(Directory.Exists(image));
            Expect.Failure(CracReason.ServiceNotFound, () => ServiceRegistration.Remove(_name, _folder.FullPath, removesImages: false));

            Prepare().Write();
            File.WriteAllText(Unit, "[Unit]\n");
            Assert.Contains(Unit, Assert.Single(ServiceRegistration.Remove(_name, _folder.FullPath, removesImages: true)));
            Assert.True(File.Exists(Unit));
            Assert.False(Directory.Exists(new ServiceImages(_name).Folder));
        }
        finally
        {
            if (Directory.Exists(new ServiceImages(_name).Folder))
            {
                Directory.Delete(new ServiceImages(_name).Folder, recursive: true);
            }
        }
    }

    [Fact]
    public void One_that_is_about_to_start_is_not_removed_and_of_one_that_has_run_nothing_is_left()
    {
        string lockPath = Path.Combine(ServiceStore.Folder, $".{_name}.lock");
        Prepare().Write();
        using (ServiceLock.Take(_name))
        {
            Assert.Contains($"process {Environment.ProcessId}", Expect.Failure(CracReason.ServiceRunning, () => ServiceRegistration.RequireRemovable(_name, force: false)).Message);
            ServiceRegistration.Remove(_name, _folder.FullPath, removesImages: false);
            Assert.True(File.Exists(lockPath));
            Expect.Failure(CracReason.ServiceRunning, () => ServiceLock.Take(_name));
        }

        Prepare().Write();
        ServiceRegistration.RequireRemovable(_name, force: false);
        ServiceRegistration.Remove(_name, _folder.FullPath, removesImages: false);
        Assert.False(File.Exists(lockPath));
        ServiceLock.Take(_name).Dispose();
        ServiceLock.Remove(_name);
        Assert.False(File.Exists(lockPath));
    }

    [Fact]
    public void A_service_that_runs_is_listed_with_its_process_and_not_removed()
    {
        Prepare().Write();
        CracService stopped = new ServiceListing(s_command, _folder.FullPath).Read(_name);
        Assert.False(stopped.IsRunning);
        Assert.Equal(Unit, stopped.UnitPath);
        Assert.Equal($"/bin/true {_name}", stopped.EntryPoint);

        CracStartedProcess process = PSCrac.Starting.StartOperation.Run(new() { FilePath = "/bin/sleep", Arguments = ["1000"], Service = _name }).Process;
        try
        {
            CracService running = new ServiceListing(["/opt/it's here/crac-start"]).Read(_name);
            Assert.Equal(process.Id, running.ProcessId);
            Assert.False(running.IsRestored);
            Assert.Equal($"'/opt/it'\\''s here/crac-start' {_name}", running.EntryPoint);
            Assert.Contains($"{process.Id}", Expect.Failure(CracReason.ServiceRunning, () => ServiceRegistration.RequireRemovable(_name, force: false)).Message);
            ServiceRegistration.RequireRemovable(_name, force: true);
        }
        finally
        {
            process.End();
        }

        ServiceRegistration.RequireRemovable(_name, force: false);
    }

    private ServiceRegistration Prepare(int keep = 3, bool force = false) => ServiceRegistration.Prepare(Describe(keep), _folder.FullPath, s_none, s_command, force);

    private ServiceDescription Describe(int keep) => new() { Name = _name, FilePath = "/bin/sleep", Arguments = ["1000"], WorkingDirectory = "/", Keep = keep };
}
